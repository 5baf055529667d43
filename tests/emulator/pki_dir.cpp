#include "emulator/pki_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "emulator/files.h"
#include "fixtures/temp_dir.h"

namespace rookery::emulator {

namespace fs = std::filesystem;
using fixtures::CertificateSpec;
using fixtures::Identity;

namespace {

/// Never over a file that is there.
Result<void> write(const fs::path& path, std::string_view content, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool written = file >= 0 && ::write(file, content.data(), content.size()) == std::ssize(content);
  if (file >= 0) ::close(file);
  if (!written) return fail(Reason::StateUnwritable, fmt::format("{} cannot be written.", path.string()));
  return {};
}

Result<Identity> readPair(const fs::path& certificate, const fs::path& key) {
  auto certificatePem = readFile(certificate);
  if (!certificatePem) return std::unexpected(certificatePem.error());
  auto keyPem = readFile(key);
  if (!keyPem) return std::unexpected(keyPem.error());
  return Identity{*std::move(certificatePem), *std::move(keyPem)};
}

Result<Identity> writePair(Identity identity, const fs::path& certificate, const fs::path& key) {
  if (auto written = write(key, identity.privateKey, 0600); !written) return std::unexpected(written.error());
  if (auto written = write(certificate, identity.certificate, 0644); !written)
    return std::unexpected(written.error());
  return identity;
}

std::unexpected<Error> missing(const fs::path& path, std::string_view besides) {
  return fail(Reason::CredentialInvalid,
              fmt::format("{} is missing, but {} is there; add the one or remove the other.", path.string(),
                          besides));
}

Result<void> makeCa(const fs::path& certificate, const fs::path& key) {
  if (fs::exists(certificate)) return {};
  if (fs::exists(key)) return missing(certificate, key.filename().string());
  auto made = writePair(fixtures::makeIdentity({}), certificate, key);
  return made ? Result<void>() : std::unexpected(made.error());
}

Result<Identity> openServer(const fs::path& folder) {
  const fs::path certificate = folder / "server.pem";
  const fs::path key = folder / "server.key";
  if (fs::exists(certificate) && fs::exists(key)) return readPair(certificate, key);
  if (fs::exists(certificate)) return missing(key, "server.pem");
  if (fs::exists(key)) return missing(certificate, "server.key");
  if (!fs::exists(folder / "ca.key")) {
    return fail(Reason::CredentialInvalid,
                fmt::format("{} is missing and cannot be made: there is no ca.key beside cacert.pem.",
                            certificate.string()));
  }
  const auto ca = readPair(folder / "cacert.pem", folder / "ca.key");
  if (!ca) return std::unexpected(ca.error());
  CertificateSpec spec;
  spec.commonName = "server";
  spec.ca = false;
  return writePair(fixtures::makeIdentity(spec, &*ca), certificate, key);
}

}  // namespace

Result<ServerPki> openPki(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return fail(Reason::StateUnwritable,
                fmt::format("{} cannot be made: {}.", folder.string(), error.message()));
  }
  if (auto made = makeCa(folder / "cacert.pem", folder / "ca.key"); !made)
    return std::unexpected(made.error());
  auto server = openServer(folder);
  if (!server) return std::unexpected(server.error());
  auto ca = readFile(folder / "cacert.pem");
  if (!ca) return std::unexpected(ca.error());
  return ServerPki{*std::move(ca), *std::move(server)};
}

void makePkiWithAdmin(const fs::path& folder) {
  const auto made = openPki(folder);
  check(made.has_value(), "an emulator's certificates can be made");
  const fixtures::Identity ca{made->ca, fixtures::readFile(folder / "ca.key")};
  const fixtures::Identity admin = fixtures::makeIdentity({.commonName = "admin"}, &ca);
  fixtures::writeFile(folder / "admin.pem", admin.certificate);
  fixtures::writeFile(folder / "admin.key", admin.privateKey);
  fs::permissions(folder / "admin.key", fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace rookery::emulator
