#pragma once

#include "emulator/emulator.h"
#include "fixtures/pki.h"

namespace rookery::emulator {

/// An emulator on any free port whose certificate is issued by `ca`.
inline Options optionsWith(const fixtures::Identity& ca) {
  fixtures::CertificateSpec spec;
  spec.commonName = "server";
  spec.ca = false;
  Options options;
  options.pki = {ca.certificate, fixtures::makeIdentity(spec, &ca)};
  return options;
}

}  // namespace rookery::emulator
