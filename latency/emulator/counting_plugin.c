// A plugin of qemu's user emulation: what a program executes between two marks, block by block, and what misses the caches.
//
// The emulated program makes marks by closing file descriptors that cannot exist:
//   BEGIN      set all counters to zero; caches stay as they are, so that a run before this one warms them
//   END        finish the file "<out>.<n>", n from 0
//   SHARE - t  virtual thread t begins its share of a parallel region (openmp_shim.c makes these)
//   JOIN       the region ends
// The file has a line for each block of code that ran, and one for each part of the run: the serial parts together, and every
// parallel region, which takes as long as its slowest share.
// Each virtual thread has a level-1 cache of its own; all share the level-2 caches, one per size that boards have.
//
// The interface is declared here as in qemu-plugin.h of QEMU 7.2 (version 1), which Debian does not package.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3, ADD_U64 = 0, CLOSE = 57 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *counter, uint64_t step);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *),
                                      int flags, int accesses, void *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
EXPORT int qemu_plugin_version = 1;

enum { BEGIN = -7001, END = -7002, JOIN = -7003, SHARE = -7010, THREADS = 8 };
enum { LINE_BITS = 6, PAGE_BITS = 12, STREAMS = 16, FEW = 4, SOME = 8, L2_SIZES = 3 };
static const int L2_KB[L2_SIZES] = {256, 512, 1024};

// a block of instructions without a branch inside, and how often it ran
typedef struct {
    uint64_t count, seen;                       // executions in all, and when they were last attributed
    uint64_t serial, share[THREADS];            // attributed executions: outside of regions, and in the open one
    bool ran;
    uint32_t length, words[];
} Block;

// what the caches saw; "streamed": load misses on the line after one of the last 4, 8 or 16 missed lines
typedef struct {
    uint64_t loads, stores;                     // accesses
    uint64_t load_misses, streamed4, streamed8, streamed16, store_misses; // of level 1
    uint64_t l2_loads[L2_SIZES], l2_streamed[L2_SIZES], l2_stores[L2_SIZES], l2_writes[L2_SIZES]; // of level 2; lines written back
    uint64_t tlb_misses;
} Traffic;

typedef struct { uint64_t sets, ways, clock, *tag, *age; bool *dirty; } Cache;
typedef struct { Cache l1; uint64_t next[STREAMS], used[STREAMS], clock; } Core;

static Block **blocks;
static size_t known, room;
static const char *out = "counts";
static FILE *file;
static int written, current = -1;               // current virtual thread; -1 in the serial part
static bool counting, warm;
static Core core[THREADS];
static Cache l2[L2_SIZES], tlb;
static Traffic serial, share[THREADS], *traffic = &serial;

static Cache make_cache(uint64_t lines, uint64_t ways) {
    return (Cache){lines / ways, ways, 0, calloc(lines, 8), calloc(lines, 8), calloc(lines, 1)};
}

// look a line up, and replace the least recently used one if it is not there; evicted: a dirty line that goes, plus 1
static inline bool touch(Cache *c, uint64_t line, bool dirty, uint64_t *evicted) {
    uint64_t first = (line % c->sets) * c->ways, *tag = c->tag + first, *age = c->age + first;
    size_t oldest = 0;
    *evicted = 0;
    for (size_t way = 0; way < c->ways; way++) {
        if (tag[way] == line + 1) {
            age[way] = ++c->clock;
            c->dirty[first + way] |= dirty;
            return true;
        }
        if (age[way] < age[oldest]) oldest = way;
    }
    if (c->dirty[first + oldest]) *evicted = tag[oldest];
    tag[oldest] = line + 1;
    age[oldest] = ++c->clock;
    c->dirty[first + oldest] = dirty;
    return false;
}

// how many streams are more recent than the one that a missed line continues; STREAMS if it continues none
static inline int continued(Core *c, uint64_t line) {
    int found = -1, oldest = 0;
    for (int i = 0; i < STREAMS; i++) {
        if (c->next[i] == line) found = i;
        if (c->used[i] < c->used[oldest]) oldest = i;
    }
    int recent = STREAMS;
    if (found >= 0) {
        recent = 0;
        for (int i = 0; i < STREAMS; i++) recent += c->used[i] > c->used[found];
        oldest = found;
    }
    c->next[oldest] = line + 1;
    c->used[oldest] = ++c->clock;
    return recent;
}

static void access_memory(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *unused) {
    if (!warm) return;
    bool store = qemu_plugin_mem_is_store(info);
    Core *c = &core[current < 0 ? 0 : current];
    store ? traffic->stores++ : traffic->loads++;
    uint64_t last = (address + (1u << qemu_plugin_mem_size_shift(info)) - 1) >> LINE_BITS, evicted, ignored;
    for (uint64_t line = address >> LINE_BITS; line <= last; line++) {
        if (touch(&c->l1, line, store, &evicted)) continue;
        int recent = continued(c, line);
        if (store) traffic->store_misses++;
        else {
            traffic->load_misses++;
            traffic->streamed4 += recent < FEW;
            traffic->streamed8 += recent < SOME;
            traffic->streamed16 += recent < STREAMS;
        }
        for (int i = 0; i < L2_SIZES; i++) {
            uint64_t gone;
            if (evicted) {
                touch(&l2[i], evicted - 1, true, &gone);
                traffic->l2_writes[i] += gone != 0;
            }
            if (touch(&l2[i], line, false, &gone)) continue;
            traffic->l2_writes[i] += gone != 0;
            if (store) traffic->l2_stores[i]++;
            else {
                traffic->l2_loads[i]++;
                traffic->l2_streamed[i] += recent < FEW;
            }
        }
        if (!touch(&tlb, line >> (PAGE_BITS - LINE_BITS), false, &ignored)) traffic->tlb_misses++;
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t length = qemu_plugin_tb_n_insns(tb);
    Block *block = calloc(1, sizeof(Block) + sizeof(uint32_t) * length);
    block->length = length;
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        memcpy(&block->words[i], qemu_plugin_insn_data(insn), sizeof(uint32_t));
        qemu_plugin_register_vcpu_mem_cb(insn, access_memory, NO_REGISTERS, READ_AND_WRITE, NULL);
    }
    if (known == room) blocks = realloc(blocks, sizeof(Block *) * (room = room ? 2 * room : 65536));
    blocks[known++] = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->count, 1);
}

// attribute what has run since the last call to the part that ran
static void attribute(void) {
    for (size_t i = 0; i < known; i++) {
        Block *b = blocks[i];
        uint64_t news = b->count - b->seen;
        if (!news) continue;
        b->seen = b->count;
        b->ran = true;
        if (current < 0) b->serial += news;
        else b->share[current] += news;
    }
}

static void print_traffic(const Traffic *t) {
    for (size_t i = 0; i < sizeof(Traffic) / sizeof(uint64_t); i++) fprintf(file, " %lu", ((const uint64_t *)t)[i]);
}

// a region has ended: write down its slowest share, by instructions, and the traffic of all
static void join(void) {
    uint64_t instructions[THREADS] = {0};
    int slowest = 0;
    for (size_t i = 0; i < known; i++)
        for (int t = 0; t < THREADS; t++) instructions[t] += blocks[i]->share[t] * blocks[i]->length;
    for (int t = 1; t < THREADS; t++)
        if (instructions[t] > instructions[slowest]) slowest = t;
    Traffic all = {0};
    for (int t = 0; t < THREADS; t++)
        for (size_t i = 0; i < sizeof(Traffic) / sizeof(uint64_t); i++) ((uint64_t *)&all)[i] += ((uint64_t *)&share[t])[i];
    fprintf(file, "region");
    print_traffic(&share[slowest]);
    print_traffic(&all);
    for (size_t i = 0; i < known; i++) {
        if (blocks[i]->share[slowest]) fprintf(file, " %zu:%lu", i, blocks[i]->share[slowest]);
        memset(blocks[i]->share, 0, sizeof blocks[i]->share);
    }
    fputc('\n', file);
    memset(share, 0, sizeof share);
}

static void begin(void) {
    char name[512];
    snprintf(name, sizeof name, "%s.%d", out, written);
    if (counting) fclose(file);
    file = fopen(name, "w");
    for (size_t i = 0; i < known; i++) {
        Block *b = blocks[i];
        b->seen = b->count;
        b->serial = 0;
        b->ran = false;
        memset(b->share, 0, sizeof b->share);
    }
    memset(&serial, 0, sizeof serial);
    memset(share, 0, sizeof share);
    current = -1;
    traffic = &serial;
    counting = file != NULL;
    warm = true;
}

static void end(void) {
    if (!counting) return;
    attribute();
    counting = false;
    fprintf(file, "serial");
    print_traffic(&serial);
    print_traffic(&serial);
    for (size_t i = 0; i < known; i++)
        if (blocks[i]->serial) fprintf(file, " %zu:%lu", i, blocks[i]->serial);
    fputc('\n', file);
    for (size_t i = 0; i < known; i++) {
        if (!blocks[i]->ran) continue;
        fprintf(file, "block %zu", i);
        for (uint32_t k = 0; k < blocks[i]->length; k++) fprintf(file, " %08x", blocks[i]->words[k]);
        fputc('\n', file);
    }
    fprintf(file, "end\n");
    fclose(file);
    written++;
}

static void system_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                        uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    int mark = (int)a1;
    if (number != CLOSE) return;
    if (mark == BEGIN) begin();
    if (!counting) return;
    if (mark == END) end();
    else if (mark == JOIN) {
        attribute();
        join();
        current = -1;
        traffic = &serial;
    } else if (mark <= SHARE && mark > SHARE - THREADS) {
        attribute();
        current = SHARE - mark;
        traffic = &share[current];
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
    for (int t = 0; t < THREADS; t++) core[t].l1 = make_cache(32 * 1024 >> LINE_BITS, 4);
    for (int i = 0; i < L2_SIZES; i++) l2[i] = make_cache(L2_KB[i] * 1024 >> LINE_BITS, 16);
    tlb = make_cache(512, 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}
