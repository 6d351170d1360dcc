// The visible badge and the invisible mark, in place.

// Blends a picture with its opacity (both width x height x 3) at (left, top). One thread a pixel.
extern "C" __global__ void badge(u8* frame, int frame_width, const u8* picture, const u8* opacity,
                                 int left, int top, int width, int height) {
    int index = thread_index();
    if (index >= width * height) return;
    u8* to = frame + 3 * ((size_t)(top + index / width) * frame_width + left + index % width);
    for (int c = 0; c < 3; ++c) {
        float share = (float)opacity[3 * index + c];
        float kept = rintf((float)to[c] * (255.0f - share) / 255.0f);
        to[c] = to_u8(kept + rintf((float)picture[3 * index + c] * share / 255.0f));
    }
}

DEVICE u32 raised(u32 bytes, int first, int second, int third, int fourth) {
    int a = clamp_int((int)(bytes & 255u) + first, 0, 255);
    int b = clamp_int((int)((bytes >> 8) & 255u) + second, 0, 255);
    int c = clamp_int((int)((bytes >> 16) & 255u) + third, 0, 255);
    int d = clamp_int((int)(bytes >> 24) + fourth, 0, 255);
    return (u32)a | (u32)b << 8 | (u32)c << 16 | (u32)d << 24;
}

// Adds a signed level a pixel to all three channels. One thread four pixels: three words.
extern "C" __global__ void mark(u8* frame, const signed char* levels, int pixels) {
    int index = 4 * thread_index();
    if (index >= pixels) return;
    if (index + 4 <= pixels) {
        u32* words = (u32*)frame + 3 * (size_t)(index / 4);
        int p = levels[index], q = levels[index + 1], r = levels[index + 2], s = levels[index + 3];
        words[0] = raised(words[0], p, p, p, q);
        words[1] = raised(words[1], q, q, r, r);
        words[2] = raised(words[2], r, s, s, s);
        return;
    }
    for (; index < pixels; ++index)
        for (int c = 0; c < 3; ++c)
            frame[3 * index + c] = (u8)clamp_int(frame[3 * index + c] + levels[index], 0, 255);
}
