// Mean and spread of Y, Cr, Cb under the mask, and from them the matrix that gives the swapped face
// the light of the scene; the same steps as app/stages/color.py.

enum { STATS = 13, RUN = 32 };  // a count, then sum and sum of squares of 2 x (Y, Cr, Cb)

DEVICE void to_ycc(const u8* bgr, int* ycc) {
    // ITU-R BT.601 in 14-bit fixed point, Cr and Cb around 128.
    int b = bgr[0], g = bgr[1], r = bgr[2];
    int y = (1868 * b + 9617 * g + 4899 * r + 8192) >> 14;
    ycc[0] = clamp_int(y, 0, 255);
    ycc[1] = clamp_int(((r - y) * 11682 + (128 << 14) + 8192) >> 14, 0, 255);
    ycc[2] = clamp_int(((b - y) * 9241 + (128 << 14) + 8192) >> 14, 0, 255);
}

// Adds to ``sums`` (STATS a face, zeroed before). One thread for RUN pixels, a block's threads
// interleaved; integers, so that the order of the additions does not matter.
extern "C" __global__ void colour_sums(const Face* faces, const u8* swapped, const u8* crops,
                                       const u8* masks, int size, u64* sums) {
    if (faces[blockIdx.y].strength <= 0.0f) return;
    int pixels = size * size;
    size_t start = (size_t)blockIdx.y * pixels;
    u64 mine[STATS];
    for (int k = 0; k < STATS; ++k) mine[k] = 0;
    for (int n = 0; n < RUN; ++n) {
        int index = (int)((blockIdx.x * RUN + n) * blockDim.x + threadIdx.x);
        if (index >= pixels || masks[start + index] <= 127) continue;
        int of[6];
        to_ycc(swapped + 3 * (start + index), of);
        to_ycc(crops + 3 * (start + index), of + 3);
        mine[0] += 1;
        for (int k = 0; k < 6; ++k) {
            mine[1 + k] += (u64)of[k];
            mine[7 + k] += (u64)(of[k] * of[k]);
        }
    }
    if (mine[0] == 0) return;
    u64* to = sums + (size_t)STATS * blockIdx.y;
    for (int k = 0; k < STATS; ++k) atomicAdd(to + k, mine[k]);
}

// ``lights`` is the memory of each followed face: mean and spread of the swapped face, then of the
// target, 12 doubles a row. ``matrices`` gets 3 x 4 a face. One thread a face: the few doubles cost
// nothing and keep the host's arithmetic.
extern "C" __global__ void colour_matrix(const Face* faces, int count, const u64* sums,
                                         double* lights, float* matrices) {
    int number = thread_index();
    if (number >= count) return;
    const double follow = 0.2, jump = 24.0, least = 0.6, most = 1.6;
    const u64 least_pixels = 64;
    const double to[3][3] = {
        {0.114, 0.587, 0.299}, {-0.081, -0.419, 0.500}, {0.500, -0.331, -0.169}};
    const Face& face = faces[number];
    float* matrix = matrices + 12 * (size_t)number;
    const u64* of = sums + (size_t)STATS * number;
    for (int k = 0; k < 12; ++k) matrix[k] = k % 5 == 0 ? 1.0f : 0.0f;
    double inside = (double)of[0];
    if (face.strength <= 0.0f) return;
    double* light = lights + 12 * (size_t)face.light;
    if (face.fresh) light[0] = -1.0;  // nothing is known of this face
    if (of[0] < least_pixels) return;
    double now[12];  // swapped mean, spread, target mean, spread
    for (int k = 0; k < 6; ++k) {
        double mean = (double)of[1 + k] / inside;
        double variance = (double)of[7 + k] / inside - mean * mean;
        int place = k < 3 ? k : k + 3;
        now[place] = mean;
        now[place + 3] = sqrt(variance > 0.0 ? variance : 0.0);
    }
    bool anew = light[0] < 0.0 || fabs(light[6] - now[6]) > jump;
    for (int k = 0; k < 12; ++k) light[k] = anew ? now[k] : light[k] + follow * (now[k] - light[k]);
    double a = to[0][0], b = to[0][1], c = to[0][2], d = to[1][0], e = to[1][1], f = to[1][2];
    double g = to[2][0], h = to[2][1], i = to[2][2];
    double det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    const double from[3][3] = {
        {(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det},
        {(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det},
        {(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det}};
    double gain[3], shift[3], strength = (double)face.strength;
    for (int k = 0; k < 3; ++k) {
        double spread = light[3 + k] > 1.0 ? light[3 + k] : 1.0;
        double ratio = light[9 + k] / spread;
        ratio = ratio < least ? least : (ratio > most ? most : ratio);
        gain[k] = 1.0 + strength * (ratio - 1.0);
        double offset = k == 0 ? 0.0 : 128.0;
        double mean = light[k] + strength * (light[6 + k] - light[k]);
        shift[k] = mean - offset - gain[k] * (light[k] - offset);
    }
    for (int row = 0; row < 3; ++row) {
        double constant = 0.0;
        for (int k = 0; k < 3; ++k) constant += from[row][k] * shift[k];
        matrix[4 * row + 3] = (float)constant;
        for (int column = 0; column < 3; ++column) {
            double sum = 0.0;
            for (int k = 0; k < 3; ++k) sum += from[row][k] * gain[k] * to[k][column];
            matrix[4 * row + column] = (float)sum;
        }
    }
}

// The swapped face in the scene's light, with its mask as a fourth channel; in the 10-bit fixed point
// cv2.transform uses for bytes. One thread a pixel.
extern "C" __global__ void recolour(const u8* swapped, const u8* masks, const float* matrices,
                                    int size, u8* patches) {
    int index = thread_index(), pixels = size * size;
    if (index >= pixels) return;
    size_t place = (size_t)blockIdx.y * pixels + index;
    const u8* from = swapped + 3 * place;
    const float* m = matrices + 12 * (size_t)blockIdx.y;
    int b = from[0], g = from[1], r = from[2];
    u8* to = patches + 4 * place;
    for (int c = 0; c < 3; ++c) {
        const float* row = m + 4 * c;
        int sum = (int)rintf(row[0] * 1024.0f) * b + (int)rintf(row[1] * 1024.0f) * g +
                  (int)rintf(row[2] * 1024.0f) * r + (int)rintf((row[3] + 0.5f) * 1024.0f);
        to[c] = (u8)clamp_int(sum >> 10, 0, 255);
    }
    to[3] = masks[place];
}
