#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "clock/clock.h"
#include "source/compose.h"
#include "source/source.h"

namespace rookery::simulation {

/// A folder of manifests that people work in. Its files are in memory; what they name is not.
class Folder {
 public:
  /// `now`: when files are changed.
  Folder(std::filesystem::path path, std::function<source::SystemTime()> now)
      : path_(std::move(path)), now_(std::move(now)) {}

  const std::filesystem::path& path() const { return path_; }

  /// How files are that are not as they were meant: absent is one that is missing.
  struct Mishap {
    std::optional<std::string> text;
    bool beingWritten = false;
  };
  std::map<std::string, std::string> meant;  // by name: what is to be in them
  std::map<std::string, Mishap> mishaps;     // by name
  bool elsewhere = false;                    // another branch is checked out, which has none of this
  bool locked = false;                       // git is at work
  bool unreadable = false;

  /// Whoever watches is told.
  void changed();
  /// A file that manifests name is another.
  void namedFileChanged() {
    ++namedVersion_;
    changed();
  }
  std::uint64_t version() const { return version_; }
  std::uint64_t namedVersion() const { return namedVersion_; }
  std::function<void()> watcher = {};

  /// What a walk finds now.
  source::Tree tree(source::SystemTime now) const;
  /// What is in a file of the tree.
  std::string textOf(const std::string& name) const;
  bool isBeingWritten(const std::string& name) const;
  /// What it says, for who `held` objects of it or not. It is parsed once, whoever asks.
  std::shared_ptr<const api::Manifest> parse(const api::Origin& origin, bool held);

 private:
  std::map<std::string, std::string> files() const;

  /// A file as it was when somebody was told of a change last.
  struct Present {
    std::string text, meant;
    bool beingWritten = false;
    source::SystemTime changed;
  };

  const std::filesystem::path path_;
  const std::function<source::SystemTime()> now_;
  std::map<std::string, Present> present_;  // by name
  std::uint64_t version_ = 0, namedVersion_ = 0;
  /// By name, text, and whether it was held: people change things and back.
  std::map<std::tuple<std::string, std::string, bool>, std::shared_ptr<const api::Manifest>> parsed_;
};

/// What DirectorySource makes of a folder, without inotify: walk, parse, compose, and wait for changes.
class FolderSource : public source::Source {
 public:
  FolderSource(Folder& folder, std::function<source::SystemTime()> now);
  ~FolderSource() override;
  FolderSource(const FolderSource&) = delete;
  FolderSource& operator=(const FolderSource&) = delete;

  source::SnapshotPtr scan() override;
  source::asio::awaitable<source::SnapshotPtr> next() override;

 private:
  std::shared_ptr<const api::Manifest> read(const source::ManifestFile& file);

  Folder& folder_;
  const std::function<source::SystemTime()> now_;
  source::SnapshotPtr last_;
  std::uint64_t seen_ = 0, namedSeen_ = 0;  // versions of the folder
  std::optional<clock::Timer> waiting_;
};

}  // namespace rookery::simulation
