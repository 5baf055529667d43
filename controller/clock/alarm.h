#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "clock/clock.h"

namespace rookery::clock {

/// Calls somebody when it is time to. Thread-safe.
class Alarm {
 public:
  virtual ~Alarm() = default;

  /// `work` is to be called at that time, or before it.
  virtual void set(Steady::time_point due) = 0;
  /// It is not called any more once this has returned. To be called before it is destroyed.
  virtual void stop() = 0;

  /// It calls on `executor`, which must be run by one thread, that which stops the alarm; empty: on a thread
  /// of its own.
  static std::unique_ptr<Alarm> make(boost::asio::any_io_executor executor, std::function<void()> work);
};

}  // namespace rookery::clock
