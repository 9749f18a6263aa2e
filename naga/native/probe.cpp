#include "probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>

#include "arena.hpp"
#include "pool.hpp"
#include "read.hpp"

namespace naga {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int READ_PASSES = 9;
constexpr int PRODUCT_PASSES = 16;
constexpr double PRODUCT_SECONDS = 0.1;  // at least; a core needs some time to its full clock
constexpr Index PRODUCT_ROUNDS = 1 << 16;

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

}  // namespace

double read_bandwidth(Index bytes, int threads) {
    Pool pool(threads);
    Index count = bytes / Index(sizeof(Line));
    // Not a vector: each thread is the first to touch its own part.
    std::unique_ptr<Line[]> lines(new Line[std::size_t(count)]);
    // As weights lie.
    advise_huge(lines.get(), std::size_t(count) * sizeof(Line));
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
    double best = 0;
    Clock::time_point start = Clock::now();
    for (int pass = 0; pass < PRODUCT_PASSES || seconds_since(start) < PRODUCT_SECONDS; ++pass) {
        std::atomic<std::int64_t> multiplied{0};
        double seconds = seconds_of(pool, [&](Team&) {
            multiplied += std::int64_t(kernels.exhaust(format, PRODUCT_ROUNDS));
        });
        best = std::max(best, 2 * double(multiplied) / seconds);
    }
    return best;
}

}  // namespace naga
