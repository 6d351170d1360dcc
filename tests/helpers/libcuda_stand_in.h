// A libcuda.so.1 for tests on machines without a card: as many of the driver's functions as
// cuda_driver.py calls, over plain memory, with the kernels compiled for the CPU. Work is done at
// once; a captured stream keeps it instead. It checks what a real driver would refuse: unknown
// handles, kernels and memory. Stands behind the kernels and a table KERNELS of
// {name, runner, sizes of the parameters}.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>
#include <cstdlib>
#include <cstdio>

namespace stand_in {
typedef std::vector<std::function<void()>> Work;
enum { OK = 0, INVALID = 1, HANDLE = 400, MISSING = 500 };
static std::map<char*, size_t> device_memory, host_memory;
static std::set<void*> streams, events, graphs;
static std::map<void*, Work*> capturing;
static void* context = (void*)0x1;
static bool current = false;

static void* handle() { return std::calloc(1, 8); }
static bool inside(const std::map<char*, size_t>& memory, const void* at, size_t size) {
    for (auto& one : memory)
        if ((char*)at >= one.first && (char*)at + size <= one.first + one.second) return true;
    return false;
}
static int put(void* stream, std::function<void()> work) {
    if (!current || !streams.count(stream)) return HANDLE;
    auto found = capturing.find(stream);
    if (found != capturing.end()) found->second->push_back(work);
    else work();
    return OK;
}

static int init(unsigned) { return OK; }
static int count(int* n) { *n = 1; return OK; }
static int get(int* device, int number) { *device = number; return OK; }
static int name(char* to, int size, int) { std::snprintf(to, size, "Stand-in GPU"); return OK; }
static int attribute(int* value, int kind, int) {
    *value = kind == 75 ? 8 : kind == 76 ? 9 : 0;  // compute capability 8.9
    return OK;
}
static int retain(void** to, int) { *to = context; return OK; }
static int set_current(void* given) { current = given == context; return current ? OK : HANDLE; }
static int synchronize() { return current ? OK : HANDLE; }
static int version(int* to) { *to = 13000; return OK; }
static int allocate(unsigned long long* to, size_t size) {
    if (!current) return HANDLE;
    char* made = (char*)std::calloc(size ? size : 1, 1);
    device_memory[made] = size;
    *to = (unsigned long long)made;
    return OK;
}
static int release(unsigned long long at) { return device_memory.erase((char*)at) ? OK : INVALID; }
static int allocate_host(void** to, size_t size, unsigned flags) {
    if (!current || flags != 1) return INVALID;
    *to = std::calloc(size ? size : 1, 1);
    host_memory[(char*)*to] = size;
    return OK;
}
static int release_host(void* at) { return host_memory.erase((char*)at) ? OK : INVALID; }
static int fill(unsigned long long at, unsigned char value, size_t size) {
    if (!inside(device_memory, (void*)at, size)) return INVALID;
    std::memset((void*)at, value, size);
    return OK;
}
static int fill_on(unsigned long long at, unsigned char value, size_t size, void* stream) {
    if (!inside(device_memory, (void*)at, size)) return INVALID;
    return put(stream, [=] { std::memset((void*)at, value, size); });
}
static int up(unsigned long long to, const void* from, size_t size, void* stream) {
    if (!inside(device_memory, (void*)to, size) || !inside(host_memory, from, size)) return INVALID;
    return put(stream, [=] { std::memcpy((void*)to, from, size); });
}
static int down(void* to, unsigned long long from, size_t size, void* stream) {
    if (!inside(device_memory, (void*)from, size) || !inside(host_memory, to, size)) return INVALID;
    return put(stream, [=] { std::memcpy(to, (void*)from, size); });
}
static int make_stream(void** to, unsigned flags) {
    streams.insert(*to = handle());
    return flags == 1 ? OK : INVALID;
}
static int make_event(void** to, unsigned) { events.insert(*to = handle()); return OK; }
static int record(void* event, void* stream) {
    return events.count(event) && streams.count(stream) ? OK : HANDLE;
}
static int wait(void* stream, void* event, unsigned) { return record(event, stream); }
static int await(void* event) { return events.count(event) ? OK : HANDLE; }
static int load(void** module, const void* image) {
    static const char elf[] = "\177ELF", ptx[] = "//";
    bool good = !std::memcmp(image, elf, 4) || !std::memcmp(image, ptx, 2) || *(char*)image == 10;
    *module = context;
    return good ? OK : 200;  // CUDA_ERROR_INVALID_IMAGE
}
static int function(void** to, void*, const char* wanted) {
    for (auto& kernel : KERNELS)
        if (!std::strcmp(kernel.name, wanted)) { *to = (void*)&kernel; return OK; }
    return MISSING;
}
static int launch(void* found, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                  unsigned bz, unsigned shared, void* stream, void** given, void** extra) {
    if (!found || gz != 1 || by != 1 || bz != 1 || shared || extra || bx > 1024) return INVALID;
    const KernelOnCpu& kernel = *(KernelOnCpu*)found;
    std::vector<std::string> held;
    for (size_t n = 0; n < kernel.sizes.size(); ++n)
        held.push_back(std::string((char*)given[n], kernel.sizes[n]));
    return put(stream, [=] {
        std::vector<void*> places;
        for (auto& value : held) places.push_back((void*)value.data());
        kernel.run(gx, gy, bx, places.data());
    });
}
static int begin(void* stream, int mode) {
    if (!streams.count(stream) || mode != 1) return INVALID;
    capturing[stream] = new Work;
    return OK;
}
static int end(void* stream, void** graph) {
    auto found = capturing.find(stream);
    if (found == capturing.end()) return HANDLE;
    graphs.insert(*graph = found->second);
    capturing.erase(found);
    return OK;
}
static int instantiate(void** to, void* graph, unsigned long long) {
    graphs.insert(*to = new Work(*(Work*)graph));
    return OK;
}
static int replay(void* graph, void* stream) {
    if (!graphs.count(graph)) return HANDLE;
    Work* work = (Work*)graph;
    return put(stream, [=] { for (auto& one : *work) one(); });
}
static int drop_graph(void* graph) { return graphs.erase(graph) ? OK : HANDLE; }
static int drop_stream(void* stream) { return streams.erase(stream) ? OK : HANDLE; }
static int drop_event(void* event) { return events.erase(event) ? OK : HANDLE; }
static int elapsed(float* to, void*, void*) { *to = 0.5f; return OK; }

static const std::map<std::string, void*> FUNCTIONS = {
    {"cuInit", (void*)init}, {"cuDeviceGetCount", (void*)count}, {"cuDeviceGet", (void*)get},
    {"cuDeviceGetName", (void*)name}, {"cuDeviceGetAttribute", (void*)attribute},
    {"cuDevicePrimaryCtxRetain", (void*)retain}, {"cuCtxSetCurrent", (void*)set_current},
    {"cuCtxSynchronize", (void*)synchronize}, {"cuDriverGetVersion", (void*)version},
    {"cuMemAlloc", (void*)allocate}, {"cuMemFree", (void*)release},
    {"cuMemHostAlloc", (void*)allocate_host}, {"cuMemFreeHost", (void*)release_host},
    {"cuMemsetD8", (void*)fill}, {"cuMemsetD8Async", (void*)fill_on},
    {"cuMemcpyHtoDAsync", (void*)up}, {"cuMemcpyDtoHAsync", (void*)down},
    {"cuStreamCreate", (void*)make_stream}, {"cuEventCreate", (void*)make_event},
    {"cuEventRecord", (void*)record}, {"cuStreamWaitEvent", (void*)wait},
    {"cuEventSynchronize", (void*)await}, {"cuEventElapsedTime", (void*)elapsed},
    {"cuModuleLoadData", (void*)load}, {"cuModuleGetFunction", (void*)function},
    {"cuLaunchKernel", (void*)launch}, {"cuStreamBeginCapture", (void*)begin},
    {"cuStreamEndCapture", (void*)end}, {"cuGraphInstantiate", (void*)instantiate},
    {"cuGraphInstantiateWithFlags", (void*)instantiate}, {"cuGraphLaunch", (void*)replay},
    {"cuGraphDestroy", (void*)drop_graph}, {"cuGraphExecDestroy", (void*)drop_graph},
    {"cuStreamDestroy", (void*)drop_stream}, {"cuEventDestroy", (void*)drop_event},
};
}  // namespace stand_in

extern "C" int cuGetProcAddress_v2(const char* wanted, void** to, int, unsigned long long, int* state) {
    auto found = stand_in::FUNCTIONS.find(wanted);
    bool there = found != stand_in::FUNCTIONS.end();
    if (!std::strcmp(wanted, "cuGetProcAddress")) { *to = (void*)cuGetProcAddress_v2; there = true; }
    else *to = there ? found->second : nullptr;
    if (state) *state = there ? 0 : 1;
    return there ? 0 : stand_in::MISSING;
}
extern "C" int cuGetProcAddress(const char* wanted, void** to, int v, unsigned long long f) {
    return cuGetProcAddress_v2(wanted, to, v, f, nullptr);
}
