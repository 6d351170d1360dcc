// Which part of each crop is replaced: rectangle, blurred outline and the networks' masks, the
// least of all.

DEVICE int mirrored(int place, int size) {  // BORDER_REFLECT_101
    int period = 2 * (size - 1);
    if (period == 0) return 0;
    place = place % period;
    if (place < 0) place += period;
    return place < size ? place : period - place;
}

// Sums along the rows of one box blur of each outline. One thread a pixel; y counts faces.
extern "C" __global__ void blur_rows(const Face* faces, const u8* outlines, int size, u16* sums) {
    int index = thread_index();
    const Face& face = faces[blockIdx.y];
    if (index >= size * size || !face.outline) return;
    int x = index % size, reach = face.soft / 2;
    size_t start = (size_t)blockIdx.y * size * size + (size_t)(index - x);
    u32 sum = 0;
    for (int k = -reach; k <= reach; ++k) sum += outlines[start + mirrored(x + k, size)];
    sums[start + x] = (u16)sum;
}

// The same blur along the columns, divided and rounded.
extern "C" __global__ void blur_columns(const Face* faces, const u16* sums, int size, u8* outlines) {
    int index = thread_index();
    const Face& face = faces[blockIdx.y];
    if (index >= size * size || !face.outline) return;
    int x = index % size, y = index / size, reach = face.soft / 2;
    size_t start = (size_t)blockIdx.y * size * size;
    u32 sum = 0;
    for (int k = -reach; k <= reach; ++k)
        sum += sums[start + (size_t)mirrored(y + k, size) * size + x];
    outlines[start + index] = to_u8((float)sum / (float)(face.soft * face.soft));
}

DEVICE float ramp(float t) {
    t = clamp_float(t, 0.0f, 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

// A weight that is no number takes the swap: as 0 it would show the face as it is.
DEVICE u8 weight_of(float value) { return value - value == 0.0f ? to_u8(255.0f * value) : 255; }

// ``own`` and ``other`` are masks of networks, size x size in [0, 1] a face, or null.
extern "C" __global__ void build_masks(const Face* faces, const u8* outlines, const void* own,
                                       int own_half, const void* other, int other_half, int size,
                                       u8* masks) {
    int index = thread_index(), pixels = size * size;
    if (index >= pixels) return;
    const Face& face = faces[blockIdx.y];
    float side = (float)size, x = (float)(index % size), y = (float)(index / size);
    float soft = fmaxf(face.feather * side, 1.0f);
    float across = ramp((x - face.pad_left * side) / soft) *
                   ramp((side - 1.0f - face.pad_right * side - x) / soft);
    float down = ramp((y - face.pad_top * side) / soft) *
                 ramp((side - 1.0f - face.pad_bottom * side - y) / soft);
    int place = (int)blockIdx.y * pixels + index;
    u8 least = to_u8(255.0f * (down * across));
    if (face.outline && outlines[place] < least) least = outlines[place];
    if (own) {
        u8 value = weight_of(load(own, place, own_half));
        if (value < least) least = value;
    }
    if (other) {
        u8 value = weight_of(load(other, place, other_half));
        if (value < least) least = value;
    }
    masks[place] = least;
}
