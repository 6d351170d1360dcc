// Gives CUDA's built-in names a meaning for a host compiler, so that the kernels' own source runs
// on the CPU: thread by thread, block by block. Enough for kernels without barriers or shared memory.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

struct Place { unsigned x, y, z; };
static thread_local Place threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define DEVICE static inline

template <typename T> static inline T atomicAdd(T* to, T value) {
    T before = *to;  // one thread at a time
    *to = before + value;
    return before;
}
static inline uint16_t half_from(float value) {
    _Float16 half = (_Float16)value;
    uint16_t bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}
static inline float float_from(uint16_t bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return (float)half;
}
