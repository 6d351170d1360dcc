// The detector's input from a window of the frame, and its outputs down to the rows that count.

// Where a resized pixel lies between two pixels of the source, in 1/2048.
DEVICE int between(int place, int source, int target, int* first) {
    double scale = (double)source / (double)target;
    float at = (float)(((double)place + 0.5) * scale - 0.5);
    int low = (int)floorf(at);
    float share = at - (float)low;
    if (low < 0) low = 0, share = 0.0f;
    if (low >= source - 1) low = source - 1, share = 0.0f;
    *first = low;
    return (int)rintf(share * 2048.0f);
}

// cv2.resize INTER_LINEAR of a window into the top left of a canvas that is 0 elsewhere, as planes
// B, G, R in 0-255; in the fixed point OpenCV uses for bytes. One thread a canvas pixel.
extern "C" __global__ void canvas(const u8* frame, int width, int left, int top, int window_width,
                                  int window_height, int inner_width, int inner_height,
                                  int canvas_width, int canvas_height, void* input, int half) {
    int index = thread_index(), size = canvas_width * canvas_height;
    if (index >= size) return;
    int x = index % canvas_width, y = index / canvas_width;
    bool inside = x < inner_width && y < inner_height;
    int x0, y0, right = between(x, window_width, inner_width, &x0);
    int lower_share = between(y, window_height, inner_height, &y0);
    x0 = clamp_int(x0, 0, window_width - 1);
    y0 = clamp_int(y0, 0, window_height - 1);
    int x1 = clamp_int(x0 + 1, 0, window_width - 1), y1 = clamp_int(y0 + 1, 0, window_height - 1);
    const u8* origin = frame + 3 * ((size_t)top * width + left);
    const u8* upper = origin + 3 * (size_t)y0 * width;
    const u8* lower = origin + 3 * (size_t)y1 * width;
    for (int c = 0; c < 3; ++c) {
        float value = 0.0f;
        if (inside) {
            int a = upper[3 * x0 + c] * (2048 - right) + upper[3 * x1 + c] * right;
            int b = lower[3 * x0 + c] * (2048 - right) + lower[3 * x1 + c] * right;
            int sum = (((2048 - lower_share) * (a >> 4)) >> 16) + ((lower_share * (b >> 4)) >> 16);
            value = (float)((sum + 2) >> 2);
        }
        store(input, c * size + index, value, half);
    }
}

#define LONGEST 12.0f  // as in engines/detector.py

DEVICE float at_most(float value, float most) { return value > most ? most : value; }  // keeps NaN

// One stride of YuNet's outputs: rows of (cell number, score, x, y, width, height, 5 x (x, y)) in
// canvas pixels, in any order, for cells scored at least ``threshold``. The cell number lets the
// host put them in reading order. ``count`` goes on counting where ``most`` rows are full. A score
// that is no number counts, too, for the host to see: left out, it would be an empty room.
extern "C" __global__ void decode(const void* cls, const void* obj, const void* bbox,
                                  const void* kps, int half, int stride, int columns, int cells,
                                  int first_cell, float threshold, float* rows, int* count,
                                  int most) {
    int cell = thread_index();
    if (cell >= cells) return;
    float first = load(cls, cell, half), second = load(obj, cell, half);
    float quality = clamp_float(first, 0.0f, 1.0f) * clamp_float(second, 0.0f, 1.0f);
    bool none = first != first || second != second;
    if (!none && !(quality >= threshold * threshold)) return;
    int place = atomicAdd(count, 1);
    if (place >= most) return;
    float* row = rows + 16 * (size_t)place;
    float column = (float)(cell % columns), line = (float)(cell / columns), s = (float)stride;
    float w = expf(at_most(load(bbox, 4 * cell + 2, half), LONGEST)) * s;
    float h = expf(at_most(load(bbox, 4 * cell + 3, half), LONGEST)) * s;
    row[0] = (float)(first_cell + cell);
    row[1] = none ? first + second : sqrtf(quality);
    row[2] = (column + load(bbox, 4 * cell, half)) * s - w / 2.0f;
    row[3] = (line + load(bbox, 4 * cell + 1, half)) * s - h / 2.0f;
    row[4] = w;
    row[5] = h;
    for (int k = 0; k < 5; ++k) {
        row[6 + 2 * k] = (load(kps, 10 * cell + 2 * k, half) + column) * s;
        row[7 + 2 * k] = (load(kps, 10 * cell + 2 * k + 1, half) + line) * s;
    }
}
