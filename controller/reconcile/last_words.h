#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/object.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

/// Tells the environment's listener what unikernels printed last before they ended, and remembers it: their
/// servers keep that.
class LastWords {
 public:
  /// `environment` must outlive the strand's work.
  LastWords(asio::any_io_executor strand, const Environment& environment)
      : strand_(std::move(strand)), environment_(environment) {}

  /// One that ran on the instance has ended, and may live again. Told later, or not at all: its console
  /// cannot be read, or is silent.
  void ask(const std::string& instance, const api::ObjectKey& unikernel);
  /// Of those for which `isWell` is true: what was printed last in a former life says nothing of this one.
  void forget(const std::function<bool(const api::ObjectKey&)>& isWell) {
    std::erase_if(*lines_, [&](const auto& item) { return isWell(item.first); });
  }
  /// The last `count` lines that one printed, with nothing secret in them, each cut; empty: they cannot be
  /// read, or it is silent.
  asio::awaitable<std::string> tail(std::string instance, api::ObjectKey unikernel, std::size_t count) const;
  /// Of those that were asked for, the last line of each that is known.
  const std::map<api::ObjectKey, std::string>& lines() const { return *lines_; }

 private:
  using Lines = std::shared_ptr<std::map<api::ObjectKey, std::string>>;
  static asio::awaitable<void> tell(const Environment& environment, std::string instance,
                                    api::ObjectKey unikernel, Lines lines);

  const asio::any_io_executor strand_;
  const Environment& environment_;
  const Lines lines_ = std::make_shared<Lines::element_type>();
};

}  // namespace rookery::reconcile
