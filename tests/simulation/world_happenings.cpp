#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "simulation/materials.h"
#include "simulation/world.h"

/// What happens to a world.
namespace rookery::simulation {

using albatross::Name;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
namespace uk = albatross::unikernel;

namespace {

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

}  // namespace

void World::apply(const Action& action) {
  ++cases_;
  const bool done = applyEdit(action) || applyMishap(action) || applyToServers(action) ||
                    applyStranger(action) || applyReaders(action) || applyToMachine(action);
  check(done, "each happening is somebody's to let happen");
}

std::pair<const api::ObjectKey, Fleet::Unikernel>& World::chosen(const Action& action) {
  return *std::next(fleet_.unikernels.begin(),
                    static_cast<std::ptrdiff_t>(action.which % fleet_.unikernels.size()));
}

/// One that what is chosen may be on.
Server& World::theServerOf(const Action& action) {
  const Fleet::Unikernel& unikernel = chosen(action).second;
  return unikernel.placement == Fleet::Unikernel::Placement::None ? serverOf(unikernel.server)
                                                                  : *servers_.at(action.howMuch / 8 % 2);
}

Server& World::serverOf(const std::string& name) {
  return **std::ranges::find_if(servers_, [&](const auto& server) { return server->name() == name; });
}

void World::change(const std::function<void(Fleet&)>& edit) {
  const Fleet before = fleet_;
  edit(fleet_);
  noteChange(before);
  publish();
}

/// What people mean by it.
void World::noteChange(const Fleet& before) {
  for (const auto& [key, unikernel] : before.unikernels) {
    if (fleet_.unikernels.contains(key)) continue;
    tell(key.toString());
    referee_.removedOnPurpose(key);
  }
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    referee_.declared(key);
    if (unikernel.placement == Fleet::Unikernel::Placement::Somewhere) {
      referee_.wanders(key, Fleet::failoverAfter);
    } else {
      referee_.placed(key, fleet_.homesOf(unikernel));
    }
    const auto former = before.unikernels.find(key);
    if (former != before.unikernels.end() && former->second.image != Fleet::badImage)
      before_.insert_or_assign(key, former->second);
    if (unikernel.suspend) referee_.stoppedByPeople(key);
    if (unikernel.volume && fleet_.volume != before.volume) referee_.stoppable(key);
  }
}

bool World::applyEdit(const Action& action) {
  const Fleet before = fleet_;
  auto& [key, unikernel] = chosen(action);
  switch (action.what) {
    case Happening::EditArguments:
      unikernel.edit = 1 + static_cast<int>(action.howMuch % 1'000);
      break;
    case Happening::EditImage:
      unikernel.image = static_cast<char>('a' + action.howMuch % 5);  // the bad one, too
      break;
    case Happening::EditMemory:
      unikernel.memory = 16 * (1 + static_cast<int>(action.howMuch % 6));
      break;
    case Happening::Suspend:
      unikernel.suspend = !unikernel.suspend;
      break;
    case Happening::Remove:
      if (fleet_.unikernels.size() > 3) fleet_.unikernels.erase(api::ObjectKey(key));
      break;
    case Happening::Declare:
      fleet_.declareOne();
      break;
    case Happening::Move:
      if (unikernel.volume || unikernel.placement != Fleet::Unikernel::Placement::None) break;
      unikernel.server = unikernel.server == serverNames[0] ? serverNames[1] : serverNames[0];
      break;
    case Happening::RenameFile:
      fleet_.renameFile(unikernel.file);
      break;
    case Happening::RotatePassword:
      ++fleet_.password;
      break;
    case Happening::EditVolume:
      fleet_.volume->content = fleet_.volume->content == 'p' ? 'q' : 'p';
      break;
    case Happening::EditPolicy:
      std::next(fleet_.policyMemory.begin(), action.which % 2)->second =
          64 + 64 * static_cast<int>(action.howMuch % 8);
      break;
    default:
      return false;
  }
  noteChange(before);
  publish();
  return true;
}

std::string World::chosenFile(const Action& action) const {
  return std::next(folder_.meant.begin(), static_cast<std::ptrdiff_t>(action.which % folder_.meant.size()))
      ->first;
}

bool World::applyMishap(const Action& action) {
  const std::string name = chosenFile(action);
  std::string text = folder_.meant.at(name);
  switch (action.what) {
    case Happening::BreakFile: {
      std::vector<std::string> lines = linesOf(text);
      lines[action.howMuch % lines.size()] = "  : {: [\n";
      folder_.mishaps[name] = {.text = fmt::format("{}", fmt::join(lines, ""))};
      break;
    }
    case Happening::MistakeInFile:  // and its first document is missing
      folder_.mishaps[name] = {.text =
                                   text.substr(std::min(text.find("---\n", 4), text.size())) +
                                   "---\napiVersion: rookery.dev/v1alpha1\nkind: Unikernel\n"
                                   "metadata: {name: wrong, namespace: shop}\nspec: {memory: nonsense}\n"};
      break;
    case Happening::TruncateFile: {
      std::size_t at = 8 + action.howMuch % (text.size() - 8);
      while (text[at] == '\n' || text[at - 1] == '\n') --at;
      folder_.mishaps[name] = {.text = text.substr(0, at)};
      break;
    }
    case Happening::EmptyFile:
      folder_.mishaps[name] = {.text = ""};
      break;
    case Happening::BeingWritten:
      folder_.mishaps[name] = {.text = text.substr(0, text.size() / 2), .beingWritten = true};
      break;
    case Happening::GitLock:
      folder_.locked = true;
      folder_.mishaps[name] = {};
      break;
    case Happening::FolderGone:
      for (const auto& [each, meant] : folder_.meant) folder_.mishaps[each] = {};
      break;
    case Happening::FolderUnreadable:
      folder_.unreadable = true;
      break;
    case Happening::OtherBranch:
      folder_.elsewhere = true;
      break;
    case Happening::HalfAnImage:
      writeImage(static_cast<char>('a' + action.which % 4), false);
      folder_.namedFileChanged();
      break;
    case Happening::Mend:
      mendFolder();
      break;
    default:
      return false;
  }
  folder_.changed();
  return true;
}

void World::mendFolder() {
  folder_.mishaps.clear();
  folder_.elsewhere = folder_.locked = folder_.unreadable = false;
  for (const char image : {'a', 'b', 'c', 'd', Fleet::badImage}) writeImage(image, true);
  folder_.namedFileChanged();
}

bool World::applyToServers(const Action& action) {
  Server& server = chosenServer(action);
  emulator::Faults& faults = server.emulated().faults();
  const CallFault fault{static_cast<CallFault::Kind>(action.howMuch % CallFault::kinds),
                        static_cast<int>(action.howMuch / CallFault::kinds % 3)};
  constexpr std::array<milliseconds, 4> stops = {0ms, 1'500ms, 5s, 40s};
  switch (action.what) {
    case Happening::Refusing:
      server.refuses = true;
      break;
    case Happening::Unreachable:
      server.unreachable = true;
      break;
    case Happening::FailOneMutation:
      server.mutationFaults.push_back(fault);
      break;
    case Happening::FailOneQuestion:
      server.questionFaults.push_back(fault);
      break;
    case Happening::RefuseMutations:
      faults.refuse = true;
      break;
    case Happening::NoDaemon:
      faults.endpointError = true;
      break;
    case Happening::SlowToStop:
      faults.stopAfter = stops.at(action.howMuch % stops.size());
      break;
    case Happening::GuestsDie:
      faults.exitAfter = {milliseconds(200 + action.howMuch % 20'000), 2};
      break;
    case Happening::OneGuestDies: {
      const api::ObjectKey& key = chosen(action).first;
      emulator::Unikernel* runs = theServerOf(action).emulated().resources().findUnikernel(nameOf(key));
      if (runs != nullptr) runs->ends = std::chrono::floor<milliseconds>(now());
      break;
    }
    case Happening::RestartServer:
      server.restart(Server::Remembers::All);
      break;
    case Happening::ForgetServer:
      server.restart(Server::Remembers::Nothing);
      std::erase_if(foreigners_, [&](const Foreigner& foreigner) {
        return !server.isExchanged() && foreigner.server == server.name();
      });
      break;
    case Happening::ExchangeServer:
      server.exchange();
      break;
    case Happening::ProbesFail:
      probes_ = Probes::Fail;
      break;
    case Happening::ProbesHang:
      probes_ = Probes::Hang;
      break;
    case Happening::StreamsStall:
      server.stalls = true;
      break;
    case Happening::StreamsBreak:
      ++server.connectionLife;
      break;
    case Happening::ReceiverFails:
      receivers_.mood = static_cast<Receivers::Mood>(action.howMuch % Receivers::moods);
      break;
    case Happening::ReceiverMended:
      receivers_.mood = Receivers::Mood::Takes;
      break;
    case Happening::ConsoleTaken:
      for (std::size_t i = 0; i < emulator::Consoles::mostReaders; ++i)
        theServerOf(action).emulated().consoles().subscribe(nameOf(chosen(action).first), std::int64_t{0},
                                                            [](const auto*) {});
      break;
    case Happening::ServersMended:
      mendServers();
      break;
    default:
      return false;
  }
  return true;
}

/// What is asked of a unikernel goes past the server that it runs on.
void World::probe(const probe::Target& target, milliseconds patience, const probe::Prober::Done& done) {
  const std::string address = std::get<probe::Tcp>(target).address;
  const milliseconds takes = probes_ == Probes::Hang ? patience : milliseconds(3);
  const auto timer = std::make_shared<clock::Timer>(process_->context().get_executor(), takes);
  timer->async_wait([this, timer, address, done](boost::system::error_code) { done(askAt(address)); });
}

/// It is reached where people mean it to be.
Result<void> World::askAt(const std::string& address) {
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    const bool placed = unikernel.placement != Fleet::Unikernel::Placement::None;
    for (const std::string& server : fleet_.homesOf(unikernel)) {
      if (Fleet::addressOf(key, placed ? server : "") + ":80" == address && answers(server, key)) return {};
    }
  }
  return fail(Reason::Unhealthy, "The simulated unikernel does not answer.");
}

bool World::answers(const std::string& server, const api::ObjectKey& key) {
  if (probes_ != Probes::Answered || !survives()) return false;
  const auto running = serverOf(server).running();
  const auto found = running.find(nameOf(key));
  if (found == running.end() || found->second.digest == digestOfImage(Fleet::badImage)) return false;
  healthy_.emplace(server, key, found->second.started);
  return true;
}

void World::mendServers() {
  probes_ = Probes::Answered;
  for (const auto& server : servers_) {
    server->refuses = server->unreachable = server->stalls = false;
    if (server->isExchanged()) server->exchange();
    server->emulated().faults() = {};
  }
}

/// Never the same twice: two who undo each other's changes for ever would be told to stop.
albatross::Arguments World::strangersArguments() {
  albatross::Arguments arguments = argumentsOf(32);
  arguments.startup = ++meddled_;
  return arguments;
}

void World::stranger(Server& server, const Name& name, albatross::UnikernelCommand command) {
  server.submit({{}, name, std::move(command)});
}

bool World::applyStranger(const Action& action) {
  const api::ObjectKey& key = chosen(action).first;
  Server& server = theServerOf(action);
  const Name name = nameOf(key);
  const auto withImage = [&](char image) {
    return albatross::Config{albatross::UnikernelType::Solo5, false, images().at({image}),
                             strangersArguments()};
  };
  switch (action.what) {
    case Happening::StrangerDestroys:
      stranger(server, name, uk::Destroy{});
      break;
    case Happening::StrangerRestarts:
      stranger(server, name, uk::Restart{strangersArguments()});
      break;
    case Happening::StrangerRedeploys:
      stranger(server, name, uk::ForceCreate{withImage(static_cast<char>('a' + action.howMuch % 4))});
      break;
    case Happening::StrangerTakesTheName:
      stranger(server, name, uk::ForceCreate{withImage(strangersImage)});
      break;
    case Happening::StrangerSetsPolicy: {
      const std::string nameSpace = action.which % 2 == 0 ? "shop" : "db";
      const albatross::Policy policy = policyOf(64 + 64 * static_cast<std::int64_t>(action.howMuch % 8));
      server.submit({{{{nameSpace}, policy}},
                     {{nameSpace}, std::nullopt},
                     albatross::PolicyCommand(albatross::policy::Info{})});
      break;
    }
    case Happening::StrangerRemovesVolume:  // which is refused while it is in use
      serverOf(fleet_.volume ? fleet_.volume->server : serverNames[0])
          .submit({{},
                   {{volumeKey.nameSpace}, volumeKey.name},
                   albatross::BlockCommand(albatross::block::Remove{})});
      break;
    default:
      return false;
  }
  return true;
}

bool World::applyReaders(const Action& action) {
  const bool dumps = action.what == Happening::SomebodyDumps;
  if (!dumps && action.what != Happening::SomebodyFollows) return false;
  if (process_ == nullptr) return true;
  Server& server = dumps && fleet_.volume ? serverOf(fleet_.volume->server) : theServerOf(action);
  if (dumps) readers_.dump(process_->controller(), server.name(), server.dumped);
  if (!dumps) readers_.follow(process_->controller(), chosen(action).first, server.name());
  return true;
}

bool World::applyToMachine(const Action& action) {
  switch (action.what) {
    case Happening::ClockJumps:
      wallOffset_ = std::chrono::minutes(action.howMuch % 5'760) - 48h;
      break;
    case Happening::DiskFull:
      setDisk(Disk::Trouble::Full);
      break;
    case Happening::DiskBroken:
      setDisk(Disk::Trouble::Broken);
      break;
    case Happening::DiskMended:
      setDisk(Disk::Trouble::None);
      break;
    case Happening::CredentialBroken: {
      const std::array<std::string, 3> contents = {"", "-----BEGIN CERTIFICATE-----\nAAAA\n",
                                                   credentials().expired.certificate};
      writeWhole(temp_.path() / "pki/cert.pem", contents.at(action.howMuch % contents.size()));
      if (action.howMuch % contents.size() == 2)
        writeWhole(temp_.path() / "pki/key.pem", credentials().expired.privateKey);
      folder_.namedFileChanged();
      break;
    }
    case Happening::CredentialMended:
      mendMachine();
      break;
    case Happening::Killed:
      endProcess(false);
      break;
    case Happening::PowerCut:
      endProcess(true);
      break;
    case Happening::DiesSoon:
      disturbances_.arm(
          {{.kind = action.which % 2 == 0 ? Disturbance::Kind::PowerCut : Disturbance::Kind::Killed,
            .at = action.howMuch % 80}});
      break;
    case Happening::LookNow:
      if (process_ != nullptr) process_->controller().lookNow();
      break;
    default:
      return false;
  }
  return true;
}

void World::setDisk(Disk::Trouble trouble) {
  constexpr auto aWhile = 10s;  // until what was to be written is
  constexpr auto forLong = 10'000h;
  diskTroubledUntil_ = time_.now() + (trouble == Disk::Trouble::None ? aWhile : forLong);
  disk_.setTrouble(trouble);
}

void World::mendMachine() {
  writeWhole(temp_.path() / "pki/cert.pem", credentials().good.certificate);
  writeWhole(temp_.path() / "pki/key.pem", credentials().good.privateKey);
  std::filesystem::permissions(temp_.path() / "pki/key.pem", std::filesystem::perms(0600));
  folder_.namedFileChanged();
}

}  // namespace rookery::simulation
