// Puts a patch (BGR and weight) back into the frame, in place, in the face's region only; the same
// steps as app/stages/composite.py.

// Unsharp masking by a Gaussian of sigma 1 (in 1/256, as OpenCV has it for bytes); a plain copy where
// ``sharpen`` is 0. One thread a pixel.
extern "C" __global__ void sharpen(const Face* faces, const u8* patches, int size, u8* sharpened) {
    int index = thread_index(), pixels = size * size;
    if (index >= pixels) return;
    float amount = faces[blockIdx.y].sharpen;
    size_t start = 4 * (size_t)blockIdx.y * pixels;
    const u8* from = patches + start;
    u8* to = sharpened + start + 4 * (size_t)index;
    for (int c = 0; c < 4; ++c) to[c] = from[4 * (size_t)index + c];
    if (amount <= 0.0f) return;
    const int taps[4] = {102, 62, 14, 1};
    int x = index % size, y = index / size;
    int soft[3] = {32768, 32768, 32768};
    for (int dy = -3; dy <= 3; ++dy) {
        const u8* row = from + 4 * (size_t)mirrored(y + dy, size) * size;
        int down = taps[dy < 0 ? -dy : dy];
        for (int dx = -3; dx <= 3; ++dx) {
            int weight = down * taps[dx < 0 ? -dx : dx];
            const u8* tap = row + 4 * (size_t)mirrored(x + dx, size);
            for (int c = 0; c < 3; ++c) soft[c] += weight * tap[c];
        }
    }
    for (int c = 0; c < 3; ++c)
        to[c] = to_u8((1.0f + amount) * (float)to[c] - amount * (float)(soft[c] >> 16));
}

// A face that is shown much larger than its crop: colours doubled by cubic interpolation (a = -3/4),
// the weight by linear interpolation. The result has one crop pixel more on every side, with weight
// 0 there. One thread a pixel of (2 size + 4) squared.
extern "C" __global__ void double_patches(const Face* faces, const u8* patches, int size,
                                          u8* doubled) {
    int side = 2 * size + 4, index = thread_index();
    if (index >= side * side || !faces[blockIdx.y].doubled) return;
    int i = index % side, j = index / side;
    const u8* from = patches + 4 * (size_t)blockIdx.y * size * size;
    u8* to = doubled + 4 * ((size_t)blockIdx.y * side * side + index);
    // Even ones lie a quarter before a crop pixel, odd ones a quarter after it.
    const float near[4] = {-0.03515625f, 0.26171875f, 0.87890625f, -0.10546875f};
    int x = (i >> 1) - 1, y = (j >> 1) - 1;  // the nearest crop pixel
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int n = 0; n < 4; ++n) {
        float down = near[j & 1 ? 3 - n : n];
        int line = clamp_int(y - 2 + (j & 1) + n, 0, size - 1);
        for (int k = 0; k < 4; ++k) {
            float weight = down * near[i & 1 ? 3 - k : k];
            int column = clamp_int(x - 2 + (i & 1) + k, 0, size - 1);
            const u8* tap = from + 4 * ((size_t)line * size + column);
            for (int c = 0; c < 3; ++c) sum[c] += weight * (float)tap[c];
        }
    }
    for (int c = 0; c < 3; ++c) to[c] = to_u8(sum[c]);
    // The fixed point of OpenCV's linear resizing; the upper row has share 1/4 in even lines.
    int weight = 2;
    for (int n = 0; n < 2; ++n) {
        int line = y + n - 1 + (j & 1), upper = j & 1 ? 1536 : 512, sum = 0;
        for (int k = 0; k < 2; ++k) {
            int column = x + k - 1 + (i & 1), left = i & 1 ? 1536 : 512;
            if (line < 0 || line >= size || column < 0 || column >= size) continue;
            sum += (k == 0 ? left : 2048 - left) * from[4 * ((size_t)line * size + column) + 3];
        }
        weight += ((n == 0 ? upper : 2048 - upper) * (sum >> 4)) >> 16;
    }
    to[3] = (u8)(weight >> 2);
}

// Bilinear warp of one face's patch and blend; what has weight 0 is not written. The threads stride
// over the region, so that a captured launch fits every region.
extern "C" __global__ void paste(u8* frame, int width, const Face* faces, int number,
                                 const u8* patches, const u8* doubled, int size) {
    const Face& face = faces[number];
    int side = face.doubled ? 2 * size + 4 : size;
    const u8* patch = (face.doubled ? doubled : patches) + 4 * (size_t)number * side * side;
    const float* m = face.paste_from;
    int area = face.region_width * face.region_height;
    for (int index = thread_index(); index < area; index += (int)(gridDim.x * blockDim.x)) {
        int column = index % face.region_width, line = index / face.region_width;
        float x = (float)column, y = (float)line;
        float u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
        if (!(u > -1.0f && v > -1.0f && u < (float)side && v < (float)side)) continue;
        int x0 = (int)floorf(u), y0 = (int)floorf(v);
        float across = u - (float)x0, down = v - (float)y0;
        float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int n = 0; n < 4; ++n) {
            int i = x0 + (n & 1), j = y0 + (n >> 1);
            float share = (n & 1 ? across : 1.0f - across) * (n >> 1 ? down : 1.0f - down);
            bool outside = i < 0 || j < 0 || i >= side || j >= side;
            const u8* tap = patch + 4 * ((size_t)clamp_int(j, 0, side - 1) * side +
                                         clamp_int(i, 0, side - 1));
            for (int c = 0; c < 3; ++c) sum[c] += share * (float)tap[c];
            if (!outside) sum[3] += share * (float)tap[3];
        }
        float weight = rintf(sum[3]);
        if (weight <= 0.0f) continue;
        u8* to = frame + 3 * ((size_t)(face.region_top + line) * width + face.region_left + column);
        for (int c = 0; c < 3; ++c) {
            float kept = rintf((float)to[c] * (255.0f - weight) / 255.0f);
            float face_part = rintf(rintf(sum[c]) * weight / 255.0f);
            to[c] = to_u8(kept + face_part);
        }
    }
}
