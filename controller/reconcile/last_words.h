#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "api/object.h"
#include "reconcile/environment.h"

namespace rookery::reconcile {

/// Tells the environment's listener what unikernels printed last before they ended: their servers keep that.
class LastWords {
 public:
  /// `environment` must outlive the strand's work.
  LastWords(asio::any_io_executor strand, const Environment& environment)
      : strand_(std::move(strand)), environment_(environment) {}

  /// One that ran on the instance has ended, and may live again. Told later, or not at all: its console
  /// cannot be read, or is silent.
  void ask(const std::string& instance, const api::ObjectKey& unikernel);

 private:
  static asio::awaitable<void> tell(const Environment& environment, std::string instance,
                                    api::ObjectKey unikernel);

  const asio::any_io_executor strand_;
  const Environment& environment_;
};

}  // namespace rookery::reconcile
