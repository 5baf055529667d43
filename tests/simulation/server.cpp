#include "simulation/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <utility>
#include <variant>

#include "albatross/client/deadline.h"
#include "clock/clock.h"
#include "simulation/stream.h"

namespace rookery::simulation {

namespace asio = boost::asio;
using albatross::CallError;
using albatross::CallResult;
using albatross::Name;
using std::chrono::milliseconds;
using Kind = CallFault::Kind;

namespace {

albatross::Time toTime(SystemTime time) { return std::chrono::floor<milliseconds>(time); }

bool mutates(const albatross::Request& request) {
  if (const auto* command = std::get_if<albatross::UnikernelCommand>(&request.command))
    return !std::holds_alternative<albatross::unikernel::Info>(*command) &&
           !std::holds_alternative<albatross::unikernel::Get>(*command);
  if (const auto* command = std::get_if<albatross::BlockCommand>(&request.command))
    return !std::holds_alternative<albatross::block::Info>(*command);
  return std::holds_alternative<albatross::PolicyCommand>(request.command) && !request.domains.empty();
}

std::unexpected<Error> broken() {
  return fail(Reason::ConnectionFailed, "The simulated connection broke before the reply came.");
}

std::string& imageOf(albatross::Command& command) {
  auto& unikernel = std::get<albatross::UnikernelCommand>(command);
  if (auto* create = std::get_if<albatross::unikernel::Create>(&unikernel)) return create->config.image;
  return std::get<albatross::unikernel::ForceCreate>(unikernel).config.image;
}

}  // namespace

/// One call, as albatross/client makes it: the same phases under the same deadlines, and in doubt in the same
/// cases.
class Call {
 public:
  Call(Server& server, albatross::Request request, albatross::Timeouts timeouts)
      : server_(server), world_(server.world_), request_(std::move(request)), timeouts_(timeouts) {
    const bool mutation = mutates(request_);
    fault_ = world_.fault(mutation);
    auto& faults = mutation ? server_.mutationFaults : server_.questionFaults;
    if (fault_.kind == Kind::None && !faults.empty()) {
      fault_ = faults.front();
      faults.pop_front();
    }
    latency_ = milliseconds(1 + server_.calls_++ * 7 % 23);
  }
  ~Call() {
    if (begun_) world_.referee.ends(server_.name());
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  asio::awaitable<CallResult> carryOut() {
    if (request_.image == nullptr && request_.commit) {
      if (const auto committed = co_await request_.commit(); !committed)
        co_return std::unexpected(CallError{committed.error(), false});
    }
    Result<albatross::Reply> result = fail(Reason::Cancelled, "The simulated call was cancelled.");
    try {
      result = co_await run();
    } catch (const asio::multiple_exceptions&) {
    } catch (const boost::system::system_error&) {
    }
    if (result) co_return std::move(*result);
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
      result = fail(Reason::Cancelled, "The simulated call was cancelled.");
    const bool doubt = inDoubt(result.error().reason);
    co_return std::unexpected(CallError{std::move(result.error()), doubt});
  }

 private:
  asio::awaitable<Result<albatross::Reply>> run() {
    const auto opened = co_await albatross::within(timeouts_.connect, open());
    if (!opened)
      co_return fail(Reason::DeadlineExceeded, "The simulated server did not shake hands in time.");
    if (!*opened) co_return std::unexpected(opened->error());
    const bool streams = request_.image != nullptr;
    const auto frame = co_await albatross::within(streams ? timeouts_.stream : timeouts_.command, exchange());
    if (!frame) co_return fail(Reason::DeadlineExceeded, "The simulated server did not answer in time.");
    if (!*frame) co_return std::unexpected(frame->error());
    co_return albatross::interpretReply(**frame, key_, server_.name());
  }

  bool inDoubt(Reason reason) const {
    if (!mutates(request_)) return false;
    if (reason == Reason::EndpointFailed) return true;
    if (reason == Reason::Refused || reason == Reason::ServiceUnavailable) return false;
    return request_.image != nullptr ? ending_ : established_;
  }

  asio::awaitable<Result<void>> open() {
    co_await wait(latency_);
    if (!world_.survives()) co_await waitForEver();
    if (server_.unreachable || fault_.kind == Kind::StallConnecting) co_await waitForEver();
    if (server_.refuses) co_return std::unexpected(broken().error());
    key_ = server_.key();
    if (!request_.serverKey.empty() && request_.serverKey != key_)
      co_return fail(Reason::ConnectionFailed, "Another simulated server is behind the address.");
    established_ = true;
    co_return Result<void>{};
  }

  asio::awaitable<Result<std::string>> exchange() {
    if (request_.image != nullptr) {
      if (auto sent = co_await upload(); !sent) co_return std::unexpected(sent.error());
    }
    if (fault_.kind == Kind::StallStream) co_await waitForEver();
    if (fault_.kind == Kind::Cut || fault_.kind == Kind::LoseCommand) co_return broken();
    co_await wait(latency_);
    if (!world_.survives()) co_await waitForEver();
    if (server_.unreachable) co_await waitForEver();
    if (server_.refuses || key_ != server_.key()) co_return broken();
    co_return co_await answer();
  }

  asio::awaitable<Result<void>> upload() {
    for (int frames = 0;; ++frames) {
      if (fault_.kind == Kind::Cut && frames >= fault_.frames) co_return std::unexpected(broken().error());
      if (fault_.kind == Kind::StallStream && frames >= fault_.frames) co_await waitForEver();
      const auto part = request_.image->next();
      if (!part) co_return std::unexpected(part.error());
      if (part->empty()) break;
      const bool isContent = std::holds_alternative<albatross::BlockCommand>(request_.command);
      std::string& bytes = isContent ? content_ : imageOf(request_.command);
      bytes.append(reinterpret_cast<const char*>(part->data()), part->size());
      co_await wait(milliseconds(1));
      if (!world_.survives() || server_.unreachable) co_await waitForEver();
    }
    if (request_.commit) {
      if (auto committed = co_await request_.commit(); !committed) co_return committed;
    }
    if (!world_.survives()) co_await waitForEver();
    ending_ = true;
    co_return Result<void>{};
  }

  /// The server has it: from here on it is carried out, whatever becomes of who has sent it.
  asio::awaitable<Result<std::string>> answer() {
    emulator::Request command;
    for (const auto& domain : request_.domains) {
      command.name.path.push_back(domain.label);
      command.policies.emplace_back(command.name.path, domain.policy);
    }
    command.name.label = request_.label;
    command.command = std::move(request_.command);
    command.content = std::move(content_);
    const Name name = command.name;
    server_.pass(world_.now());
    const bool mutation = emulator::isMutation(command.command) || !command.policies.empty();
    if (mutation) begin(command);
    Server::Told told{{}, world_.referee.changes(server_.name())};
    const std::pair question(command.command.index(), name);
    const auto said = std::make_shared<std::optional<emulator::Answer>>();
    const bool ran = server_.emulated().resources().findUnikernel(name) != nullptr;
    server_.emulated().submit(std::move(command), toTime(world_.now()),
                              [said](emulator::Answer answer) { *said = std::move(answer); });
    while (!*said) {
      const auto event = server_.emulated().nextEvent();
      if (!event) co_await waitForEver();
      co_await wait(std::max<SystemTime::duration>(SystemTime(*event) - world_.now(), milliseconds(1)));
      server_.pass(world_.now());
    }
    told.answer = std::move(**said);
    if (!mutation) remember(question, told);
    const emulator::Answer& answer = told.answer;
    const bool failed = answer && std::holds_alternative<albatross::Failure>(*answer);
    if (mutation && failed && ran && server_.emulated().resources().findUnikernel(name) == nullptr)
      world_.referee.killedInVain(server_.name(), name);
    if (fault_.kind == Kind::StallReply) co_await waitForEver();
    co_await wait(latency_);
    if (server_.unreachable) co_await waitForEver();
    if (fault_.kind == Kind::LoseReply || !answer || key_ != server_.key()) co_return broken();
    if (!world_.survives()) co_await waitForEver();
    if (!mutation) noteLook(name, answer, told.changes);
    co_return albatross::encode(
        {{0, name}, std::visit([](const auto& part) { return albatross::Payload(part); }, *answer)});
  }

  /// Takes what was told before in place of `told`, where that is what goes wrong.
  void remember(const std::pair<std::size_t, Name>& question, Server::Told& told) const {
    const auto before = server_.told_.find(question);
    if (fault_.kind == Kind::Stale && before != server_.told_.end()) {
      told = before->second;
    } else {
      server_.told_.insert_or_assign(question, told);
    }
  }

  void begin(const emulator::Request& command) {
    begun_ = true;
    world_.tell(fmt::format("{} is sent to {}", command.name.toString(), server_.name()));
    world_.referee.begins({.server = server_.name(),
                           .request = command,
                           .resources = server_.emulated().resources(),
                           .onDisk = world_.isOnDisk(key_, command),
                           .elsewhere = world_.runsElsewhere(server_.name(), command.name),
                           .now = world_.now()});
  }

  void noteLook(const Name& name, const emulator::Answer& answer, std::uint64_t changes) const {
    if (!answer || !std::holds_alternative<albatross::Success>(*answer)) return;
    const albatross::Reply reply{key_, name, std::get<albatross::Success>(*answer)};
    if (const auto unikernels = albatross::unikernelsOf(reply)) {
      world_.referee.looked(server_.name(), *unikernels, changes, world_.now());
    } else if (albatross::policiesOf(reply)) {
      world_.referee.lookedAtPolicies(server_.name(), changes);
    }
  }

  asio::awaitable<void> wait(SystemTime::duration time) const {
    clock::Timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
  }
  asio::awaitable<void> waitForEver() const { co_await wait(std::chrono::hours(24 * 365)); }

  Server& server_;
  const Server::World& world_;
  albatross::Request request_;
  const albatross::Timeouts timeouts_;
  CallFault fault_;
  milliseconds latency_;
  std::string key_;
  std::string content_;  // of a volume
  bool established_ = false, ending_ = false, begun_ = false;
};

class Server::Client : public albatross::Client {
 public:
  Client(Server& server, albatross::Timeouts timeouts) : server_(server), timeouts_(timeouts) {}

  asio::awaitable<CallResult> call(albatross::Request request) override {
    return carryOut(server_, std::move(request), timeouts_);
  }
  asio::awaitable<Result<std::unique_ptr<albatross::DataStream>>> stream(
      albatross::Request request) override {
    return Stream::open(server_, std::move(request), timeouts_);
  }

 private:
  /// Which need not live as long as its calls.
  static asio::awaitable<CallResult> carryOut(Server& server, albatross::Request request,
                                              albatross::Timeouts timeouts) {
    Call call(server, std::move(request), timeouts);
    co_return co_await call.carryOut();
  }

  Server& server_;
  const albatross::Timeouts timeouts_;
};

Server::Server(std::string name, World world, const emulator::Machine& machine)
    : name_(std::move(name)),
      world_(std::move(world)),
      machine_(machine),
      key_(name_),
      emulated_(std::make_unique<emulator::Server>(machine_)) {}

std::unique_ptr<albatross::Client> Server::connect(albatross::Timeouts timeouts) {
  return std::make_unique<Client>(*this, timeouts);
}

void Server::pass(SystemTime now) {
  const auto next = emulated_->nextEvent();
  if (next && *next <= toTime(now)) world_.referee.changed(name_);
  emulated_->tick(toTime(now));
}

emulator::State Server::written() const {
  emulator::State state;
  for (const auto& policy : emulated_->resources().policies().all()) {
    if (!policy.name.path.empty()) state.policies.emplace_back(policy.name.path, *policy.value);
  }
  for (const auto& unikernel : emulated_->resources().unikernels().all())
    state.unikernels.emplace_back(unikernel.name, unikernel.value->configuration);
  for (const auto& block : emulated_->resources().blocks().all()) {
    state.blocks.emplace_back(block.name, block.value->size);
    if (const auto content = emulated_->resources().content(block.name))
      state.contents.emplace_back(block.name, content->bytes);
  }
  return state;
}

void Server::restart(Remembers remembers) {
  const emulator::State now = written();
  emulator::State brought = now;
  if (remembers == Remembers::Earlier && earlier_) brought = *earlier_;
  if (remembers == Remembers::Nothing) brought = {};
  earlier_ = now;
  const emulator::Faults faults = emulated_->faults();
  emulated_ = std::make_unique<emulator::Server>(machine_);
  emulated_->restore(brought, toTime(world_.now()));
  emulated_->faults() = faults;
  told_.clear();
  ++connectionLife;
  world_.referee.changed(name_);
}

void Server::exchange() {
  if (spare_ == nullptr) spare_ = std::make_unique<emulator::Server>(machine_);
  std::swap(emulated_, spare_);
  key_ = key_ == name_ ? name_ + "-other" : name_;
  told_.clear();
  ++connectionLife;
  world_.referee.changed(name_);
}

emulator::Answer Server::submit(emulator::Request request) {
  pass(world_.now());
  const emulator::Faults faults = std::exchange(emulated_->faults(), {});
  emulator::Answer said;
  emulated_->submit(std::move(request), toTime(world_.now()),
                    [&](emulator::Answer answer) { said = std::move(answer); });
  emulated_->faults() = faults;
  world_.referee.changed(name_);
  return said;
}

std::map<Name, albatross::UnikernelInfo> Server::running() {
  pass(world_.now());
  const emulator::Faults faults = std::exchange(emulated_->faults(), {});
  std::map<Name, albatross::UnikernelInfo> all;
  emulated_->submit({{}, {}, albatross::UnikernelCommand(albatross::unikernel::Info{})}, toTime(world_.now()),
                    [&](const emulator::Answer& answer) {
                      const auto list =
                          albatross::unikernelsOf({key_, {}, std::get<albatross::Success>(answer.value())});
                      for (const auto& [name, info] : *list) all[name] = info;
                    });
  emulated_->faults() = faults;
  return all;
}

std::vector<std::pair<Name, albatross::data::Statistics>> Server::statistics() {
  pass(world_.now());
  return emulated_->statistics({}, toTime(world_.now()));
}

}  // namespace rookery::simulation
