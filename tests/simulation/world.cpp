#include "simulation/world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "fixtures/pki.h"
#include "image/digest.h"
#include "image/image.h"
#include "images/image_maker.h"

namespace rookery::simulation {

using albatross::Name;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
namespace uk = albatross::unikernel;

namespace {

constexpr std::chrono::sys_days epoch{std::chrono::year(2026) / 1 / 1};
constexpr clock::Steady::time_point firstMoment{std::chrono::hours(1'000)};
constexpr char strangersImage = 'z';
const Name legacy{{"shop"}, "legacy"};
const Name neighbour{{"other"}, "app"};
const Name foreignVolume{{"db"}, "archive"};
const emulator::Machine machine{.memory = 4'096, .cpus = 2, .block = 1'024, .bridges = {"br0", "br1"}};

albatross::Arguments argumentsOf(std::int64_t memory) {
  albatross::Arguments arguments;
  arguments.memory = memory;
  arguments.bridges = {{"service", "br0", std::nullopt}};
  return arguments;
}

albatross::Policy policyOf(std::int64_t memory) { return {{0, 1}, 8, memory, 64, {"br0"}}; }

bool sameButForItsStart(albatross::UnikernelInfo one, const albatross::UnikernelInfo& other) {
  one.started = other.started;
  return one == other;
}

void writeWhole(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  const std::filesystem::path draft = path.string() + ".new";
  std::ofstream(draft, std::ios::binary) << text;
  std::filesystem::rename(draft, path);
}

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

/// A credential that anybody could have made once; with others it does not work.
struct Credentials {
  fixtures::Identity good, expired;
};
const Credentials& credentials() {
  static const Credentials made = [] {
    fixtures::CertificateSpec spec;
    spec.notBefore = epoch - std::chrono::hours(24 * 3'650);
    spec.notAfter = epoch + std::chrono::hours(24 * 3'650);
    Credentials all{.good = fixtures::makeIdentity(spec), .expired = {}};
    spec.notAfter = epoch - std::chrono::hours(24 * 365);
    all.expired = fixtures::makeIdentity(spec);
    return all;
  }();
  return made;
}

/// By name: of each there is one with a device for a volume.
const std::map<std::string, std::string>& images() {
  static const std::map<std::string, std::string> made = [] {
    std::map<std::string, std::string> all;
    for (const char content : {'a', 'b', 'c', 'd', Fleet::badImage, strangersImage}) {
      images::ImageSpec spec;
      spec.networks = {"service"};
      spec.content = content;
      all[{content}] = images::makeImage(spec);
      spec.blocks = {"storage"};
      all[std::string(1, content) + "-with-storage"] = images::makeImage(spec);
    }
    return all;
  }();
  return made;
}

std::string contentOf(char volume) { return std::string(4'096, volume); }

std::string digestOfImage(const std::string& name) {
  image::Sha256 digest;
  digest.update(images().at(name));
  return digest.finish();
}
std::string digestOf(char image) { return digestOfImage({image}); }

}  // namespace

// -- The beginning
// ---------------------------------------------------------------------------------------------------

World::World()
    : time_(firstMoment),
      referee_([this](const std::string& what) { violated(what); }),
      fleet_(temp_.path() / "pki"),
      folder_(temp_.path() / "manifests"),
      startAt_(firstMoment) {
  disk_.aroundSync = [this] { survives(); };
  for (const char* name : serverNames) {
    Server::World world{
        .referee = referee_,
        .now = [this] { return now(); },
        .survives = [this] { return survives(); },
        .isOnDisk = [this](const std::string& key,
                           const emulator::Request& command) { return isOnDisk(key, command); },
        .tell = [this](const std::string& line) { tell(line); }};
    Server& server = *servers_.emplace_back(std::make_unique<Server>(name, std::move(world), machine));
    for (const Name& foreign : {legacy, neighbour}) {
      emulator::Request request{
          {{foreign.path, policyOf(512)}},
          foreign,
          albatross::UnikernelCommand(uk::Create{
              {albatross::UnikernelType::Solo5, false, images().at({strangersImage}), argumentsOf(32)}})};
      server.submit(std::move(request));
      referee_.foreign(name, foreign);
      foreigners_.push_back({name, foreign, server.running().at(foreign)});
    }
    server.submit({{{foreignVolume.path, policyOf(512)}},
                   foreignVolume,
                   albatross::BlockCommand(albatross::block::Add{1})});
    referee_.foreign(name, foreignVolume);
  }
  referee_.foreignImage(digestOf(strangersImage));
  for (const char image : {'a', 'b', 'c', 'd', Fleet::badImage}) writeImage(image, true);
  for (const char volume : {'p', 'q'})
    writeWhole(folder_.path() / "volumes" / (std::string(1, volume) + ".img"), contentOf(volume));
  for (const auto& [key, unikernel] : fleet_.unikernels) referee_.placed(key, unikernel.server);
  mendMachine();
  publish();
}

bool World::isOnDisk(const std::string& serverKey, const emulator::Request& command) {
  const plan::Inventories volumes = process_->state().volumes();
  plan::SharedInventory inventory = process_->state().inventoryOf(serverKey);
  if (std::holds_alternative<albatross::BlockCommand>(command.command)) {
    const auto found = volumes.find(serverKey);
    inventory = found == volumes.end() ? plan::SharedInventory() : found->second;
  }
  const auto entry = inventory.find(command.name);
  return entry != inventory.end() && entry->second.pending && !disk_.hasUnsure();
}

World::~World() {
  disk_.freeze();
  process_.reset();
}

void World::writeImage(char image, bool whole) const {
  for (const std::string& name : {std::string(1, image), std::string(1, image) + "-with-storage"}) {
    const std::string& bytes = images().at(name);
    writeWhole(folder_.path() / "images" / (name + ".hvt"),
               std::string_view(bytes).substr(0, whole ? bytes.size() : bytes.size() / 2));
  }
}

void World::publish() {
  folder_.meant = fleet_.files();
  folder_.changed();
}

// -- Time
// ------------------------------------------------------------------------------------------------------------

SystemTime World::now() const {
  return epoch + std::chrono::duration_cast<SystemTime::duration>(time_.now() - firstMoment);
}

World::Time World::nextEvent(Time latest) {
  Time next = latest;
  if (process_ == nullptr) next = std::min(next, startAt_);
  for (const auto& server : servers_) {
    const auto event = server->emulated().nextEvent();
    if (event) next = std::min(next, time_.now() + (SystemTime(*event) - now()));
  }
  return next;
}

void World::live(Time until) {
  while (time_.now() < until) {
    if (process_ == nullptr && time_.now() >= startAt_) startProcess();
    const Time next = std::max(nextEvent(until), time_.now());
    time_.run(process_ == nullptr ? nobody_ : process_->context(), next, [this] { return dying_ || wrong_; });
    for (const auto& server : servers_) server->pass(now());
    if (wrong_) throw Wrong(fmt::format("{}\n{}", *wrong_, fmt::join(story_, "\n")));
    if (dying_) endProcess(powerCut_);
  }
}

void World::startProcess() {
  const auto at = [this](const albatross::Endpoint& endpoint) -> Server& {
    return *servers_.at(endpoint.port - 1u);
  };
  auto started =
      Process::start({.folder = folder_,
                      .stateDir = temp_.path() / "state",
                      .listener = *this,
                      .now = [this] { return now(); },
                      .wallTime = [this] { return wallTime(); },
                      .connect =
                          [at](const albatross::ClientOptions& options) {
                            return at(options.endpoint).connect(options.timeouts);
                          },
                      .probe = [this](const probe::Target& target, milliseconds patience,
                                      const probe::Prober::Done& done) { probe(target, patience, done); }});
  if (started) {
    process_ = *std::move(started);
    referee_.controllerStarts(now());
    healthy_.clear();
    tell("the controller starts");
  } else {
    tell("the controller cannot start: " + started.error().message);
    startAt_ = time_.now() + 5s;
    if (dying_) disk_.thaw(powerCut_);
    dying_ = false;
    survivals_.reset();
  }
}

/// Nothing of what it is at is finished.
void World::endProcess(bool powerCut) {
  if (process_ == nullptr) return;
  tell(powerCut ? "the power is cut" : "the controller dies");
  checkStateHoldsNoSecret();
  disk_.freeze();
  process_.reset();
  disk_.thaw(powerCut);
  dying_ = false;
  survivals_.reset();
  startAt_ = time_.now() + 1s;
}

bool World::survives() {
  if (!dying_ && survivals_ && --*survivals_ < 0) {
    dying_ = true;
    disk_.freeze();
    if (process_ != nullptr) process_->context().stop();
  }
  return !dying_;
}

void World::run(const std::vector<Action>& actions) {
  live(firstMoment + 1min);
  for (const Action& action : actions) {
    live(firstMoment + 1min + action.at);
    tell(fmt::format("-- {}", toString(action.what)));
    referee_.newsFor(now());
    apply(action);
  }
  makePeace();
}

/// Without the name of the folder, which is another one each time.
void World::tell(std::string line) {
  const std::string folder = temp_.path().string();
  for (std::size_t at = line.find(folder); at != std::string::npos; at = line.find(folder))
    line.erase(at, folder.size());
  const std::chrono::duration<double> since = time_.now() - firstMoment;
  story_.push_back(fmt::format("{:>9.3f} {}", since.count(), line));
}

void World::violated(const std::string& what) {
  if (wrong_) return;
  wrong_ = what;
  tell("WRONG: " + what);
  if (process_ != nullptr) process_->context().stop();
}

// -- What happens
// ----------------------------------------------------------------------------------------------------

void World::apply(const Action& action) {
  const bool done = applyEdit(action) || applyMishap(action) || applyToServers(action) ||
                    applyStranger(action) || applyToMachine(action);
  check(done, "each happening is somebody's to let happen");
}

std::pair<const api::ObjectKey, Fleet::Unikernel>& World::chosen(const Action& action) {
  return *std::next(fleet_.unikernels.begin(),
                    static_cast<std::ptrdiff_t>(action.which % fleet_.unikernels.size()));
}

Server& World::serverOf(const std::string& name) {
  return **std::ranges::find_if(servers_, [&](const auto& server) { return server->name() == name; });
}

bool World::applyEdit(const Action& action) {
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
    case Happening::Remove: {
      if (fleet_.unikernels.size() <= 3) break;
      const api::ObjectKey gone = key;
      tell(gone.toString());
      referee_.removedOnPurpose(gone);
      fleet_.unikernels.erase(gone);
      break;
    }
    case Happening::Declare:
      for (const auto& [missing, first] : Fleet("").unikernels) {
        if (!fleet_.unikernels.try_emplace(missing, first).second) continue;
        referee_.declared(missing);
        referee_.placed(missing, first.server);
        break;
      }
      break;
    case Happening::Move:
      if (unikernel.volume) break;  // it stays where that is
      unikernel.server = unikernel.server == serverNames[0] ? serverNames[1] : serverNames[0];
      referee_.placed(key, unikernel.server);
      break;
    case Happening::RenameFile: {
      const std::string from = unikernel.file;
      const std::string to = from.starts_with("new-") ? from.substr(4) : "new-" + from;
      for (auto& [other, each] : fleet_.unikernels) {
        if (each.file == from) each.file = to;
      }
      break;
    }
    case Happening::RotatePassword:
      ++fleet_.password;
      break;
    case Happening::EditVolume:
      fleet_.volume.content = fleet_.volume.content == 'p' ? 'q' : 'p';
      referee_.stoppable({api::Kind::Unikernel, "db", "main"});
      break;
    case Happening::EditPolicy:
      std::next(fleet_.policyMemory.begin(), action.which % 2)->second =
          64 + 64 * static_cast<int>(action.howMuch % 8);
      break;
    default:
      return false;
  }
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
      const auto& [key, unikernel] = chosen(action);
      emulator::Unikernel* runs =
          serverOf(unikernel.server).emulated().resources().findUnikernel(nameOf(key));
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
  const auto meant = std::ranges::find_if(
      fleet_.unikernels, [&](const auto& item) { return Fleet::addressOf(item.first) + ":80" == address; });
  if (probes_ == Probes::Answered && survives() && meant != fleet_.unikernels.end()) {
    const auto running = serverOf(meant->second.server).running();
    const auto found = running.find(nameOf(meant->first));
    if (found != running.end() && found->second.digest != digestOf(Fleet::badImage)) {
      healthy_.emplace(meant->first, found->second.started);
      return {};
    }
  }
  return fail(Reason::Unhealthy, "The simulated unikernel does not answer.");
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
  const auto& [key, unikernel] = chosen(action);
  Server& server = serverOf(unikernel.server);
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
      serverOf(fleet_.volume.server)
          .submit({{},
                   {{volumeKey.nameSpace}, volumeKey.name},
                   albatross::BlockCommand(albatross::block::Remove{})});
      break;
    default:
      return false;
  }
  return true;
}

bool World::applyToMachine(const Action& action) {
  switch (action.what) {
    case Happening::ClockJumps:
      wallOffset_ = std::chrono::minutes(action.howMuch % 5'760) - 48h;
      break;
    case Happening::DiskFull:
      disk_.setTrouble(Disk::Trouble::Full);
      break;
    case Happening::DiskBroken:
      disk_.setTrouble(Disk::Trouble::Broken);
      break;
    case Happening::DiskMended:
      disk_.setTrouble(Disk::Trouble::None);
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
      survivals_ = static_cast<int>(action.howMuch % 80);
      powerCut_ = action.which % 2 == 0;
      break;
    case Happening::LookNow:
      if (process_ != nullptr) process_->controller().lookNow();
      break;
    default:
      return false;
  }
  return true;
}

void World::mendMachine() {
  writeWhole(temp_.path() / "pki/cert.pem", credentials().good.certificate);
  writeWhole(temp_.path() / "pki/key.pem", credentials().good.privateKey);
  std::filesystem::permissions(temp_.path() / "pki/key.pem", std::filesystem::perms(0600));
  folder_.namedFileChanged();
}

// -- The end
// ---------------------------------------------------------------------------------------------------------

/// What can be had: everything runs, and the policies leave room for it.
void World::makePeace() {
  tell("-- peace");
  survivals_.reset();
  referee_.everythingMayBeTaken();
  referee_.newsFor(now());
  mendFolder();
  mendServers();
  for (const auto& server : servers_) server->mutationFaults.clear(), server->questionFaults.clear();
  disk_.setTrouble(Disk::Trouble::None);
  mendMachine();
  wallOffset_ = {};
  for (const auto& [missing, first] : Fleet("").unikernels) {
    if (fleet_.unikernels.try_emplace(missing, first).second) referee_.placed(missing, first.server);
    referee_.declared(missing);
  }
  for (auto& [key, unikernel] : fleet_.unikernels) {
    unikernel.suspend = false;
    unikernel.adoptAlways = true;  // somebody has read that what others started is left alone
    if (unikernel.image == Fleet::badImage) unikernel.image = 'a';
    unikernel.edit += 1'000;  // what was taken back is tried again
  }
  for (auto& [nameSpace, memory] : fleet_.policyMemory) memory = 1'024;
  referee_.stoppable({api::Kind::Unikernel, "db", "main"});
  publish();
  live(time_.now() + 1min);
  const api::ObjectKey last{api::Kind::Unikernel, "db", "replica"};
  fleet_.unikernels.erase(last);
  referee_.removedOnPurpose(last);
  publish();

  awaitPeace(15min, [this] { return unrest(); });
  checkLossIsSeen();
  makeBadUpdates();
  awaitPeace(3min, [this] { return whyNotTakenBack(); });
  checkForeigners();
  checkStateHoldsNoSecret();
  live(time_.now() + 1ms);
}

/// It is reached, and lasts, without anything that is sent or written.
void World::awaitPeace(std::chrono::minutes lasting,
                       const std::function<std::optional<std::string>()>& trouble) {
  const Time latest = time_.now() + 2h;
  while (trouble() && time_.now() < latest) live(time_.now() + 20s);
  if (const auto why = trouble()) violated("there is no peace: " + *why);
  const std::size_t commands = referee_.commands();
  const std::uint64_t syncs = disk_.syncs();
  live(time_.now() + lasting);
  if (referee_.commands() != commands) violated("more is sent in peace");
  if (disk_.syncs() != syncs) violated("more is written in peace");
  if (const auto why = trouble()) violated("peace does not last: " + *why);
}

/// What is not told of any more by the statistics is looked for, long before the next look that is due.
void World::checkLossIsSeen() {
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    if (unikernel.once) continue;
    tell(fmt::format("-- {} is lost", key.toString()));
    serverOf(unikernel.server).submit({{}, nameOf(key), albatross::UnikernelCommand(uk::Destroy{})});
    live(time_.now() + 16s);
    const auto running = serverOf(unikernel.server).running();
    if (!running.contains(nameOf(key))) violated(key.toString() + " was lost, and that was not seen in time");
  }
  awaitPeace(3min, [this] { return unrest(); });
}

/// Of all whose updates are taken back where they fail.
void World::makeBadUpdates() {
  tell("-- bad updates");
  referee_.newsFor(now());
  before_.clear();
  for (auto& [key, unikernel] : fleet_.unikernels) {
    if (!unikernel.rollback) continue;
    before_.emplace(key, unikernel);
    unikernel.image = Fleet::badImage;
    unikernel.edit += 1;
  }
  publish();
}

std::optional<std::string> World::whyNotTakenBack() {
  for (const auto& [key, before] : before_) {
    if (auto why = whyNotTakenBack(key, before)) return why;
  }
  return std::nullopt;
}

std::optional<std::string> World::whyNotTakenBack(const api::ObjectKey& key, const Fleet::Unikernel& before) {
  const auto view = process_ == nullptr ? nullptr : process_->objects().find(key);
  if (view == nullptr) return key.toString() + " is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (ready == nullptr || ready->reason != Reason::RolledBack)
    return fmt::format("the bad update of {} was not taken back: {}", key.toString(),
                       ready == nullptr ? "" : ready->message);
  return whyNotAsDeclared(key, before);
}

std::optional<std::string> World::unrest() {
  if (process_ == nullptr) return "there is no controller";
  for (const auto& [key, unikernel] : fleet_.unikernels) {
    if (auto why = unrestOf(key, unikernel)) return why;
  }
  if (auto why = unrestOfVolume()) return why;
  for (const auto& server : servers_) {
    const auto inventory = process_->state().inventoryOf(server->key());
    for (const auto& [name, entry] : inventory) {
      if (entry.pending)
        return fmt::format("what became of {} on {} is not known", name.toString(), server->name());
    }
    for (const auto& [name, info] : server->running()) {
      const auto entry = inventory.find(name);
      const auto wanted = fleet_.unikernels.find(keyOf(name));
      const bool here = wanted != fleet_.unikernels.end() && wanted->second.server == server->name();
      if (entry != inventory.end() && !here)
        return fmt::format("{} on {} should not run", name.toString(), server->name());
    }
  }
  return std::nullopt;
}

std::optional<std::string> World::unrestOfVolume() {
  const auto view = process_->objects().find(volumeKey);
  if (view == nullptr) return "the volume is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (!view->status.ready()) return "the volume is not Ready: " + (ready == nullptr ? "" : ready->message);
  const Name name{{volumeKey.nameSpace}, volumeKey.name};
  const auto content = serverOf(fleet_.volume.server).emulated().resources().content(name);
  if (content == nullptr || content->bytes != contentOf(fleet_.volume.content))
    return "the volume does not hold what is declared";
  return std::nullopt;
}

std::optional<std::string> World::unrestOf(const api::ObjectKey& key, const Fleet::Unikernel& unikernel) {
  const auto view = process_->objects().find(key);
  if (view == nullptr) return key.toString() + " is not known";
  const api::Condition* ready = view->status.condition(api::Condition::Type::Ready);
  if (!view->status.ready())
    return fmt::format("{} is not Ready: {}", key.toString(), ready == nullptr ? "" : ready->message);
  return whyNotAsDeclared(key, unikernel);
}

std::optional<std::string> World::whyNotAsDeclared(const api::ObjectKey& key,
                                                   const Fleet::Unikernel& unikernel) {
  const auto running = serverOf(unikernel.server).running();
  const auto found = running.find(nameOf(key));
  if (found == running.end() && unikernel.once) return std::nullopt;
  if (found == running.end()) return key.toString() + " does not run";
  const bool asDeclared = found->second.digest == digestOfImage(imageNameOf(unikernel)) &&
                          found->second.memory == unikernel.memory && found->second.arguments &&
                          found->second.arguments->front() == fmt::format("--edit={}", unikernel.edit);
  if (!asDeclared) return key.toString() + " does not run as declared";
  return std::nullopt;
}

void World::checkForeigners() {
  for (const Foreigner& foreigner : foreigners_) {
    const auto running = serverOf(foreigner.server).running();
    const auto still = running.find(foreigner.name);
    if (still == running.end() || !sameButForItsStart(still->second, foreigner.info))
      violated(
          fmt::format("{} on {} is not ours and was changed", foreigner.name.toString(), foreigner.server));
  }
}

// -- What is told
// ----------------------------------------------------------------------------------------------------

void World::roundEnded(const std::string& instance, const reconcile::Round& round) {
  if (!round.error) checkTruth(instance);
}

/// What is called Ready was seen to run as it is told to.
void World::checkTruth(const std::string& instance) {
  for (const auto& view : process_->objects().list()) {
    const bool counts = view->object->kind() == api::Kind::Unikernel && view->ours &&
                        view->status.instance == instance && view->status.ready() &&
                        !view->identity.deletionTimestamp;
    if (!counts) continue;
    const auto& spec = view->object->as<api::Unikernel>();
    const auto* seen = referee_.seen(instance, nameOf(view->object->key()));
    const std::string key = view->object->key().toString();
    if (seen == nullptr) {
      if (spec.runPolicy != api::Unikernel::RunPolicy::Once) violated(key + " is Ready and was not seen");
      continue;
    }
    if (view->status.digest != image::toHex(seen->digest))
      violated(key + " has another image than its status says");
    const bool current = view->status.observedGeneration == view->identity.generation;
    if (current && !spec.suspend && spec.memory != seen->memory)
      violated(key + " is Ready and has other memory than was declared");
    if (current && !spec.suspend && spec.healthCheck &&
        !healthy_.contains(std::pair(view->object->key(), seen->started)))
      violated(key + " is Ready and was not seen to be healthy in this life");
  }
}

void World::stepStarted(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                        Reason /*reason*/, const std::string& message) {
  tell(fmt::format("{}: {} {}: {}", instance, plan::toString(verb), object.toString(), message));
  checkSecrecy(message);
}

void World::stepEnded(const std::string& instance, const api::ObjectKey& object, plan::Verb verb,
                      const reconcile::CommandResult& result) {
  tell(fmt::format("{}: {} {} ended: {}", instance, plan::toString(verb), object.toString(),
                   result.error ? result.error->message : "done"));
  if (result.error) checkSecrecy(result.error->message);
}

void World::readyChanged(const api::ObjectKey& object, bool ready, Reason reason,
                         const std::string& message) {
  tell(fmt::format("{} {}: {} {}", object.toString(), ready ? "is Ready" : "is not Ready",
                   rookery::toString(reason), message));
  checkSecrecy(message);
}

void World::warned(const std::string& instance, Reason reason, const std::string& message) {
  tell(fmt::format("{}: warning {}: {}", instance, rookery::toString(reason), message));
  checkSecrecy(message);
}

void World::checkSecrecy(const std::string& text) {
  if (text.find(Fleet::secretMark) != std::string::npos) violated("a secret is told: " + text);
}

/// Nor what others could read of it.
void World::checkStateHoldsNoSecret() {
  if (process_ == nullptr) return;
  for (const auto& view : process_->objects().list()) checkSecrecy(api::toJson(view->status).dump());
  const auto events = process_->events().events().list({}, [](const auto&) { return true; });
  for (const auto& event : events.views) checkSecrecy(event->message);
  for (const auto& file : std::filesystem::directory_iterator(temp_.path() / "state")) {
    if (file.is_regular_file()) checkSecrecy(fixtures::readFile(file.path()));
  }
}

}  // namespace rookery::simulation
