#include "clock/alarm.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace rookery::clock {

namespace asio = boost::asio;

namespace {

class AlarmOnThread : public Alarm {
 public:
  explicit AlarmOnThread(std::function<void()> work) : work_(std::move(work)), thread_([this] { run(); }) {}

  void set(Steady::time_point due) override {
    {
      const std::lock_guard lock(mutex_);
      if (due_ && *due_ <= due) return;  // the thread wakes by then
      due_ = due;
    }
    changed_.notify_one();
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!ending_ && (!due_ || *due_ > Steady::now())) {
        if (due_) {
          changed_.wait_until(lock, *due_);
        } else {
          changed_.wait(lock);
        }
      }
      if (ending_) return;
      due_.reset();
      lock.unlock();
      work_();
      lock.lock();
    }
  }

  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Steady::time_point> due_;
  bool ending_ = false;
  std::thread thread_;
};

class AlarmOnExecutor : public Alarm {
 public:
  AlarmOnExecutor(asio::any_io_executor executor, std::function<void()> work)
      : executor_(std::move(executor)),
        work_(std::move(work)),
        timer_(executor_, Steady::time_point::max()) {}

  void set(Steady::time_point due) override {
    asio::post(executor_, [this, there = std::weak_ptr(there_), due] {
      if (there.expired() || due >= timer_.expiry()) return;
      timer_.expires_at(due);
      timer_.async_wait([this, there](boost::system::error_code putOff) {
        if (putOff || there.expired()) return;
        timer_.expires_at(Steady::time_point::max());
        work_();
      });
    });
  }

  void stop() override { there_.reset(); }

 private:
  const asio::any_io_executor executor_;
  const std::function<void()> work_;
  Timer timer_;
  std::shared_ptr<const bool> there_ = std::make_shared<const bool>(true);  // until it is stopped
};

}  // namespace

std::unique_ptr<Alarm> Alarm::make(asio::any_io_executor executor, std::function<void()> work) {
  if (executor) return std::make_unique<AlarmOnExecutor>(std::move(executor), std::move(work));
  return std::make_unique<AlarmOnThread>(std::move(work));
}

}  // namespace rookery::clock
