// The aligned crop of each face, and the generator's input from it.

// One value of the covered part of the frame, halved ``halvings`` times by averaging two by two and
// rounding each time, as cv2.resize INTER_AREA does. 4^halvings reads: 1, 4 or 16 for nearly all.
DEVICE int shrunk(const u8* frame, int width, const Face& face, int x, int y, int c) {
    int side = 1 << face.halvings;
    const u8* from = frame +
        3 * ((size_t)(face.top + y * side) * width + (size_t)(face.left + x * side)) + c;
    if (face.halvings == 0) return from[0];
    int sums[8];  // a partly summed square for each level, depth first along a Z-order curve
    for (int n = 0; n < side * side; ++n) {
        int dx = 0, dy = 0;
        for (int bit = 0; bit < face.halvings; ++bit) {
            dx |= ((n >> (2 * bit)) & 1) << bit;
            dy |= ((n >> (2 * bit + 1)) & 1) << bit;
        }
        int value = from[3 * ((size_t)dy * width + dx)];
        for (int level = 0; level < face.halvings; ++level) {
            int quarter = (n >> (2 * level)) & 3;
            sums[level] = quarter == 0 ? value : sums[level] + value;
            if (quarter != 3) break;
            value = (sums[level] + 2) >> 2;
            if (level == face.halvings - 1) return value;
        }
    }
    return 0;
}

// Bilinear, the edge repeated: cv2.warpAffine INTER_LINEAR, BORDER_REPLICATE. Writes the crop (BGR
// uint8) and, in planes R, G, B, crop * scale - shift. One thread a crop pixel; y counts faces.
extern "C" __global__ void crop_faces(const u8* frame, int width, const Face* faces, int size,
                                      u8* crops, void* inputs, int half, float scale_r,
                                      float scale_g, float scale_b, float shift_r, float shift_g,
                                      float shift_b) {
    int index = thread_index(), pixels = size * size;
    if (index >= pixels) return;
    const Face& face = faces[blockIdx.y];
    float x = (float)(index % size), y = (float)(index / size);
    const float* m = face.crop_from;
    float u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
    // A far point has the edge's value; clamping first keeps the conversion to int defined.
    u = clamp_float(u, -1.0f, (float)face.columns);
    v = clamp_float(v, -1.0f, (float)face.rows);
    int x0 = (int)floorf(u), y0 = (int)floorf(v);
    float across = u - (float)x0, down = v - (float)y0;
    int left = clamp_int(x0, 0, face.columns - 1), right = clamp_int(x0 + 1, 0, face.columns - 1);
    int top = clamp_int(y0, 0, face.rows - 1), bottom = clamp_int(y0 + 1, 0, face.rows - 1);
    float scale[3] = {scale_b, scale_g, scale_r}, shift[3] = {shift_b, shift_g, shift_r};
    u8* crop = crops + 3 * ((size_t)blockIdx.y * pixels + index);
    int input = (int)blockIdx.y * 3 * pixels + index;
    for (int c = 0; c < 3; ++c) {
        float a = mix((float)shrunk(frame, width, face, left, top, c),
                      (float)shrunk(frame, width, face, right, top, c), across);
        float b = mix((float)shrunk(frame, width, face, left, bottom, c),
                      (float)shrunk(frame, width, face, right, bottom, c), across);
        u8 value = to_u8(mix(a, b, down));
        crop[c] = value;
        store(inputs, input + (2 - c) * pixels, (float)value * scale[c] - shift[c], half);
    }
}

// The generator's output, planes R, G, B in [0, 1], as BGR uint8. One thread a pixel.
extern "C" __global__ void pixels_from(const void* outputs, int half, int size, u8* swapped) {
    int index = thread_index(), pixels = size * size;
    if (index >= pixels) return;
    u8* to = swapped + 3 * ((size_t)blockIdx.y * pixels + index);
    int from = (int)blockIdx.y * 3 * pixels + index;
    for (int c = 0; c < 3; ++c) to[c] = to_u8(255.0f * load(outputs, from + (2 - c) * pixels, half));
}
