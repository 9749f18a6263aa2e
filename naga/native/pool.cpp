#include "pool.hpp"

#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace naga {
namespace {

void pause() {
#if defined(__x86_64__)
    _mm_pause();
#endif
}

// Polls, at first without giving the processor away; false if `limit` polls were not enough.
template <class Ready> bool spin(Ready ready, int limit) {
    for (int i = 0; i < limit; ++i) {
        if (ready()) return true;
        if (i < 4000) pause();
        else std::this_thread::yield();
    }
    return ready();
}

constexpr int SPINS_BEFORE_SLEEP = 8000;

}  // namespace

int Team::size() const { return pool_.size_; }

void Team::barrier() {
    if (pool_.size_ == 1) return;
    std::uint32_t phase = pool_.phase_.load(std::memory_order_acquire);
    if (pool_.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == pool_.size_) {
        pool_.arrived_.store(0, std::memory_order_relaxed);
        pool_.phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    auto passed = [&] { return pool_.phase_.load(std::memory_order_acquire) != phase; };
    while (!spin(passed, 1 << 20)) {
    }
}

Pool::Pool(int threads) : size_(threads) {
    for (int rank = 1; rank < size_; ++rank) threads_.emplace_back([this, rank] { work(rank); });
}

Pool::~Pool() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
        epoch_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void Pool::run(const std::function<void(Team&)>& f) {
    if (size_ > 1) {
        std::lock_guard<std::mutex> lock(mutex_);
        function_ = &f;
        running_.store(size_ - 1, std::memory_order_relaxed);
        epoch_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    Team team(*this, 0);
    f(team);
    auto done = [&] { return running_.load(std::memory_order_acquire) == 0; };
    while (!spin(done, 1 << 20)) {
    }
}

void Pool::work(int rank) {
    std::uint32_t seen = 0;
    Team team(*this, rank);
    for (;;) {
        auto called = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
        if (!spin(called, SPINS_BEFORE_SLEEP)) {
            std::unique_lock<std::mutex> lock(mutex_);
            wake_.wait(lock, called);
        }
        seen = epoch_.load(std::memory_order_acquire);
        if (stop_) return;
        (*function_)(team);
        running_.fetch_sub(1, std::memory_order_acq_rel);
    }
}

}  // namespace naga
