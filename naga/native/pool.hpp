// A team of threads that run one function together, and park when there is nothing to do.
//
// The caller is one of them. Own threads, not OpenMP: a second OpenMP runtime beside torch's spins
// against it. One caller at a time. Waiting spins for some microseconds, then yields, then sleeps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace naga {

class Pool;

// What one thread knows inside Pool::run.
class Team {
  public:
    Team(Pool& pool, int rank) : rank(rank), pool_(pool) {}
    const int rank;
    int size() const;
    // Nobody goes on before everybody has come.
    void barrier();
    // This thread's share of [0, count): contiguous, the same for the same count.
    std::int64_t begin(std::int64_t count) const { return count * rank / size(); }
    std::int64_t end(std::int64_t count) const { return count * (rank + 1) / size(); }

  private:
    Pool& pool_;
};

class Pool {
  public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    int size() const { return size_; }
    // f(team) on every thread at once; returns when all have returned. f must not throw.
    void run(const std::function<void(Team&)>& f);

  private:
    friend class Team;
    void work(int rank);
    const int size_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable wake_;
    const std::function<void(Team&)>* function_ = nullptr;
    std::atomic<std::uint32_t> epoch_{0};
    std::atomic<bool> stop_{false};
    std::atomic<int> running_{0};
    std::atomic<int> arrived_{0};
    std::atomic<std::uint32_t> phase_{0};
};

}  // namespace naga
