#include "probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <vector>

#include "plan.hpp"
#include "pool.hpp"
#include "read.hpp"

namespace naga {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int READ_PASSES = 9;
constexpr int PRODUCT_PASSES = 16;
constexpr double PRODUCT_SECONDS = 0.1;  // at least; a core needs some time to its full clock
// A panel's weights, inputs and results: some 200 kB in float32, less than any core's own cache.
constexpr Index ROWS = 96, DEPTH = 256, COLUMNS = 64;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds of `work` on all threads, from when the last has come to when the last is done.
template <class Work> double seconds_of(Pool& pool, Work work) {
    double seconds = 0;
    pool.run([&](Team& team) {
        team.barrier();
        Clock::time_point start = Clock::now();
        work(team);
        team.barrier();
        if (team.rank == 0) seconds = seconds_since(start);
    });
    return seconds;
}

struct Line {
    std::uint64_t words[8];
};

// Columns that share a scale where weights are quantised.
constexpr Index GROUP = 32, GROUPS = DEPTH / GROUP;

// One thread's operands.
struct Operands {
    Packed weight;
    std::vector<float> x, y;  // float32 or, in half of it, bfloat16
    // x as quantised weights meet it.
    std::vector<std::int8_t> values;
    std::vector<float> scales;
    std::vector<std::int32_t> totals;

    Product product(const Kernels& kernels) {
        Product product{x.data(), DEPTH, ROWS, &weight.matrix(), y.data(), COLUMNS};
        if (weight.matrix().format == Format::element) return product;
        values.resize(std::size_t(ROWS * DEPTH));
        scales.resize(std::size_t(ROWS * GROUPS));
        totals.resize(std::size_t(ROWS * GROUPS));
        product.quantised = {values.data(), scales.data(), totals.data()};
        kernels.quantise(x.data(), DEPTH, DEPTH, GROUP, 0, ROWS, product.quantised);
        return product;
    }
};

void fill(Operands& operands, const Kernels& kernels, Format format) {
    operands.x.assign(std::size_t(ROWS * DEPTH), 0);
    operands.y.assign(std::size_t(ROWS * COLUMNS), 0);
    std::vector<float> weight(static_cast<std::size_t>(COLUMNS * DEPTH));
    // 0.5 in both dtypes: two bfloat16 of it are one word.
    std::uint32_t half = kernels.element == Element::float32 ? 0x3f000000u : 0x3f003f00u;
    for (std::vector<float>* values : {&operands.x, &weight})
        for (float& value : *values) std::memcpy(&value, &half, 4);
    operands.weight.shape(kernels, COLUMNS, DEPTH, format, format == Format::element ? 0 : GROUP);
    operands.weight.own();
    operands.weight.fill(kernels, weight.data(), nullptr, 0, operands.weight.panels());
}

}  // namespace

double read_bandwidth(Index bytes, int threads) {
    Pool pool(threads);
    Index count = bytes / Index(sizeof(Line));
    // Not a vector: each thread is the first to touch its own part.
    std::unique_ptr<Line[]> lines(new Line[std::size_t(count)]);
    auto part = [&](Team& team) { return lines.get() + team.begin(count); };
    auto length = [&](Team& team) { return team.end(count) - team.begin(count); };
    pool.run([&](Team& team) {
        std::memset(static_cast<void*>(part(team)), 1, std::size_t(length(team)) * sizeof(Line));
    });
    std::atomic<std::uint64_t> sink{0};
    double best = std::numeric_limits<double>::infinity();
    for (int pass = 0; pass < READ_PASSES; ++pass)
        best = std::min(best, seconds_of(pool, [&](Team& team) {
                            sink += read_words(part(team),
                                               std::size_t(length(team)) * sizeof(Line));
                        }));
    return double(count) * sizeof(Line) / best;
}

double product_peak(const Kernels& kernels, Format format, int threads) {
    Pool pool(threads);
    std::vector<Operands> operands(static_cast<std::size_t>(threads));
    std::vector<Product> products;
    for (Operands& own : operands) {
        fill(own, kernels, format);
        products.push_back(own.product(kernels));
    }
    Index panels = operands.front().weight.panels();
    auto multiply = [&](Team& team) {
        for (int i = 0; i < PRODUCT_PASSES; ++i)
            kernels.product(products[std::size_t(team.rank)], 0, panels);
    };
    double best = std::numeric_limits<double>::infinity();
    Clock::time_point start = Clock::now();
    for (int pass = 0; pass < PRODUCT_PASSES || seconds_since(start) < PRODUCT_SECONDS; ++pass)
        best = std::min(best, seconds_of(pool, multiply));
    double multiplied = double(PRODUCT_PASSES) * ROWS * DEPTH * COLUMNS;
    return 2 * multiplied * threads / best;
}

}  // namespace naga
