#include "reconcile/image_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "api/path.h"
#include "image/digest.h"

namespace rookery::reconcile {

namespace fs = std::filesystem;

namespace {

/// Nothing else has that root: a file of that name has an absolute one.
bool isStandardInput(const api::Origin& origin) { return origin.root == "-"; }

/// The real folder that images of `origin` may lie in: of standard input, the current one.
fs::path folderOf(const api::Origin& origin, std::error_code& error) {
  if (isStandardInput(origin)) return fs::canonical(".", error);
  if (fs::is_directory(origin.root, error)) return fs::canonical(origin.root, error);
  if (error) return {};
  const fs::path folder = origin.root.get().parent_path();
  return fs::canonical(folder.empty() ? "." : folder, error);
}

/// Folders of images, as a message names them after the manifest root.
std::string alsoTried(const std::vector<ImageRoot>& imageRoots) {
  std::string text;
  for (const ImageRoot& root : imageRoots) text += fmt::format(" and the image root {}", root.real.string());
  return text;
}

std::unexpected<Error> notFound(const fs::path& path, std::string_view why, std::string_view remedy) {
  return fail(Reason::ImageNotFound,
              fmt::format("Image {} cannot be found: {}. {}", path.string(), why, remedy));
}

/// What somebody can do whose objects came through an API: of these, paths mean something else than where
/// they were written.
std::string remedyFor(const api::Origin& origin, image::Content content) {
  if (!origin.root.get().is_absolute()) {
    return "Put it into the folder of an --image-root, where relative paths start, or name it by url and "
           "sha256.";
  }
  return fmt::format(
      "Relative paths start at {}, where the API keeps this manifest. Put it there or below an --image-root, "
      "{}or name it by url and sha256.",
      origin.file.get().parent_path().string(),
      content == image::Content::Solo5 ? "send it with rookery deploy, " : "");
}

Result<fs::path> locate(const fs::path& path, const api::Origin& origin,
                        const std::vector<ImageRoot>& imageRoots, image::Content content) {
  std::error_code error;
  fs::path resolved = fs::canonical(path, error);
  if (error)
    return notFound(path, error.message(),
                    fmt::format("Build it or correct {}.path.", image::fieldOf(content)));
  if (std::ranges::any_of(imageRoots,
                          [&](const ImageRoot& root) { return api::liesBelow(resolved, root.real); }))
    return resolved;
  const fs::path folder = folderOf(origin, error);
  if (error) {
    return fail(Reason::SourceUnreadable, fmt::format("Manifest root {} of image {} cannot be resolved: {}.",
                                                      origin.root.string(), path.string(), error.message()));
  }
  if (!api::liesBelow(resolved, folder)) {
    const std::string truth =
        resolved == path ? "" : fmt::format(" is in truth {}, which", resolved.string());
    return fail(
        Reason::ImageOutsideRoot,
        fmt::format("Image {}{} lies outside the manifest root {}{}. Move it there, or name its folder "
                    "with --image-root.",
                    path.string(), truth, folder.string(), alsoTried(imageRoots)));
  }
  return resolved;
}

/// Follows a path name by name, as the kernel does (path_resolution(7)), but never to where it leaves the
/// roots: what it would find there, or not, is nobody's business.
class Walk {
 public:
  /// `remedy`: what the error of a path says that leads nowhere.
  Walk(std::vector<ImageRoot> roots, std::string remedy)
      : roots_(std::move(roots)), remedy_(std::move(remedy)) {}

  Result<fs::path> follow(const fs::path& path) {
    std::optional<fs::path> ahead = path.lexically_normal();
    fs::path reached;
    for (int links = 0; ahead; ++links) {
      if (links > maxLinks) return notFound(path, "too many symbolic links", remedy_);
      const auto begin = enter(*ahead);
      if (!begin) {
        return fail(Reason::ImageOutsideRoot,
                    fmt::format("Image {} does not lie in a folder that images may be in. {}", path.string(),
                                remedy_));
      }
      ahead = step(*begin, reached);
    }
    std::error_code error;
    if (!fs::exists(fs::symlink_status(reached, error)))
      return notFound(path, "No such file or directory", remedy_);
    return reached;
  }

 private:
  static constexpr int maxLinks = 40;  // as the kernel

  struct Begin {
    fs::path root;   // without symlinks
    fs::path below;  // relative to it
  };

  std::optional<Begin> enter(const fs::path& path) const {
    for (const ImageRoot& root : roots_) {
      for (const fs::path& name : {root.real, root.named}) {
        if (api::liesBelow(path, name)) return Begin{root.real, path.lexically_relative(name)};
      }
    }
    return std::nullopt;
  }

  /// Where to go on after a symlink; nothing: the end was reached.
  static std::optional<fs::path> step(const Begin& begin, fs::path& reached) {
    reached = begin.root;
    for (auto name = begin.below.begin(); name != begin.below.end(); ++name) {
      if (*name == ".") continue;
      const fs::path next = reached / *name;
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (!error) {
        fs::path ahead = reached / target;  // just the target, if that is absolute
        while (++name != begin.below.end()) ahead /= *name;
        return ahead.lexically_normal();
      }
      reached = next;
    }
    return std::nullopt;
  }

  std::vector<ImageRoot> roots_;
  std::string remedy_;
};

Result<fs::path> locateWithin(const fs::path& path, const api::Origin& origin,
                              const std::vector<ImageRoot>& imageRoots, image::Content content) {
  std::vector<ImageRoot> roots = imageRoots;
  if (origin.root.get().is_absolute()) {
    std::error_code error;
    const fs::path named =
        fs::is_directory(origin.root, error) ? origin.root.get() : origin.root.get().parent_path();
    fs::path real = folderOf(origin, error);
    if (!error) roots.push_back({.named = named, .real = std::move(real)});
  }
  return Walk(std::move(roots), remedyFor(origin, content)).follow(path);
}

}  // namespace

std::vector<ImageRoot> canonical(const std::vector<fs::path>& imageRoots) {
  std::vector<ImageRoot> found;
  for (const fs::path& root : imageRoots) {
    std::error_code error;
    fs::path folder = fs::canonical(root, error);  // one that is not there holds nothing
    if (!error) found.push_back({.named = root.lexically_normal(), .real = std::move(folder)});
  }
  return found;
}

image::Remote remoteOf(const api::Unikernel::Image& image, plan::Author author, image::Content content) {
  return {*image.url, *image.sha256, author == plan::Author::Anybody, content};
}

const api::Unikernel::Image* imageOf(const api::Object& object) {
  if (object.kind() == api::Kind::Unikernel) return &object.as<api::Unikernel>().image;
  if (object.kind() != api::Kind::UnikernelVolume) return nullptr;
  const auto& source = object.as<api::UnikernelVolume>().source;
  return source ? &*source : nullptr;
}

image::Content contentOf(const api::Object& object) {
  return object.kind() == api::Kind::UnikernelVolume ? image::Content::Any : image::Content::Solo5;
}

plan::Author authorOf(const api::Origin& origin, const fs::path& apiStore) {
  const bool given = origin.root.get().is_absolute() || isStandardInput(origin);
  const bool throughApi = !apiStore.empty() && api::liesBelow(origin.file, apiStore);
  return given && !throughApi ? plan::Author::Operator : plan::Author::Anybody;
}

Result<fs::path> locateImage(const fs::path& path, const api::Origin& origin,
                             const std::vector<ImageRoot>& imageRoots, plan::Author author,
                             image::Content content) {
  return author == plan::Author::Anybody ? locateWithin(path, origin, imageRoots, content)
                                         : locate(path, origin, imageRoots, content);
}

Result<fs::path> locateStored(const std::string& sha256, const image::ImageStore* store) {
  if (store != nullptr && store->contains(sha256)) return store->path(sha256);
  return fail(
      Reason::ImageNotFound,
      fmt::format("Image sha256:{} is not in the image store (images/ in --state-dir). Send it there "
                  "with rookery deploy, or say in spec.image where it is: url (it is pulled from there) "
                  "or path.",
                  sha256));
}

Result<image::Image> checkImage(const api::Unikernel& unikernel, const api::Origin& origin,
                                image::Inspector& inspector, const std::vector<ImageRoot>& imageRoots,
                                file::Settling* settling, plan::Author author,
                                const image::ImageStore* store) {
  const api::Unikernel::Image& image = unikernel.image;
  const Result<fs::path> located = image.isStored() ? locateStored(*image.sha256, store)
                                                    : locateImage(image.path, origin, imageRoots, author);
  if (!located) return std::unexpected(located.error());
  Result<image::Image> found = inspector.inspect(*located, settling);
  if (!found) return found;
  if (const auto fits = plan::checkFit(unikernel, *found, author); !fits)
    return std::unexpected(fits.error());
  return found;
}

}  // namespace rookery::reconcile
