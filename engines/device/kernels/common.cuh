// What every kernel shares. Compiled by NVRTC as CUDA C++ without any header, and by the tests with
// a host compiler, where a shim that stands before this file gives the built-in names a meaning.
//
// Rules for the kernels: no shared memory, no barriers, no warp intrinsics (so that the very same
// source runs block by block on a CPU), no whole-frame floats, integer sums where order must not
// matter. A picture is BGR uint8, rows without gaps.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(__CUDACC__)
#define DEVICE static __device__ __forceinline__
// Half precision by the two instructions themselves: cuda_fp16.h is not in the compiler's wheel.
DEVICE u16 half_from(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
DEVICE float float_from(u16 bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
#endif

// One face of a frame, as the host sends it; engines/device/parameters.py has the same layout.
struct Face {
    float crop_from[6];    // crop pixel -> pixel of the (shrunk) part of the frame the crop covers
    int left, top;         // of that part in the frame, pixels
    int columns, rows;     // of that part, in shrunk pixels
    int halvings;          // how often it is halved by averaging
    float paste_from[6];   // region pixel -> pixel of the crop, or of the doubled crop
    int region_left, region_top, region_width, region_height;  // frame pixels to paste into
    int doubled;           // 1: paste from the crop doubled by cubic interpolation
    float sharpen;         // share of unsharp masking, 0: none
    float pad_top, pad_right, pad_bottom, pad_left;  // of the rectangle, shares of the crop's side
    float feather;         // its soft edge, share of the crop's side
    int outline;           // 1: the outline counts too
    int soft;              // side of the box that blurs the outline, odd
    float strength;        // of the colour match, 0: none
    int light;             // row of the memory of this face's light
    int fresh;             // 1: that row holds another face's
};
static_assert(sizeof(Face) == 33 * 4, "Face differs from engines/device/parameters.py");

DEVICE int clamp_int(int value, int low, int high) {
    return value < low ? low : (value > high ? high : value);
}
DEVICE float clamp_float(float value, float low, float high) {
    return fminf(fmaxf(value, low), high);
}
DEVICE u8 to_u8(float value) { return (u8)clamp_float(rintf(value), 0.0f, 255.0f); }
DEVICE float load(const void* data, int index, int half) {
    return half ? float_from(((const u16*)data)[index]) : ((const float*)data)[index];
}
DEVICE void store(void* data, int index, float value, int half) {
    if (half) ((u16*)data)[index] = half_from(value);
    else ((float*)data)[index] = value;
}
DEVICE int thread_index() { return (int)(blockIdx.x * blockDim.x + threadIdx.x); }
DEVICE float mix(float a, float b, float share) { return a + (b - a) * share; }
