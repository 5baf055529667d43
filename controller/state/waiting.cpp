#include "state/waiting.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace rookery::state {

namespace asio = boost::asio;

namespace {

/// The coroutines of one context that wait. Whoever tells them shares it, and so can find the context gone.
class Waiting {
 public:
  std::uint64_t add(Tell resume) {
    const std::lock_guard lock(mutex_);
    resumptions_.emplace(++last_, std::move(resume));
    return last_;
  }

  /// Under the mutex: the context is there until the coroutine's turn is in its queue.
  void tell(std::uint64_t number, Result<void> ended) {
    const std::lock_guard lock(mutex_);
    const auto found = resumptions_.find(number);
    if (found == resumptions_.end()) return;
    auto resumption = resumptions_.extract(found);
    resumption.mapped()(std::move(ended));
  }

  /// Drops them all.
  void abandon() {
    std::map<std::uint64_t, Tell> dropped;  // which ends coroutines, without the mutex
    const std::lock_guard lock(mutex_);
    dropped.swap(resumptions_);
  }

 private:
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Tell> resumptions_;
};

/// Has a context drop its coroutines before it is destroyed.
class WaitingService : public asio::execution_context::service {
 public:
  using key_type = WaitingService;
  static asio::execution_context::id id;  // NOLINT(readability-identifier-naming): Asio's name

  explicit WaitingService(asio::execution_context& context) : service(context) {}
  const std::shared_ptr<Waiting>& waiting() const { return waiting_; }

 private:
  void shutdown() override { waiting_->abandon(); }

  std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

asio::execution_context::id WaitingService::id;

/// Has `handler` called by its executor, which does not run out of work before.
template <class Handler>
Tell resumptionOf(Handler handler) {
  auto executor = asio::get_associated_executor(handler);
  return [handler = std::move(handler), work = asio::make_work_guard(executor)](Result<void> ended) mutable {
    asio::post(work.get_executor(), [handler = std::move(handler), ended = std::move(ended)]() mutable {
      std::move(handler)(std::move(ended));
    });
  };
}

}  // namespace

asio::awaitable<Result<void>> toldOf(std::move_only_function<void(Tell tell)> begin) {
  const auto initiate = [](auto handler, std::move_only_function<void(Tell tell)> start) {
    asio::execution_context& context =
        asio::query(asio::get_associated_executor(handler), asio::execution::context);
    const std::shared_ptr<Waiting> waiting = asio::use_service<WaitingService>(context).waiting();
    const std::uint64_t number = waiting->add(resumptionOf(std::move(handler)));
    start([waiting, number](Result<void> ended) { waiting->tell(number, std::move(ended)); });
  };
  const asio::use_awaitable_t<> token;
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<void>)>(
      initiate, token, std::move(begin));
}

Result<void> waitFor(const std::function<void(Tell tell)>& begin, const std::function<void()>& meanwhile) {
  std::promise<Result<void>> promise;
  std::future<Result<void>> future = promise.get_future();
  begin([told = std::move(promise)](Result<void> ended) mutable { told.set_value(std::move(ended)); });
  meanwhile();
  return future.get();
}

}  // namespace rookery::state
