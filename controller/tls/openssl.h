#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

/// OpenSSL's objects as owned by C++.
namespace rookery::tls {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using Ptr = std::unique_ptr<T, Deleter<Free>>;

using BioPtr = Ptr<BIO, BIO_free_all>;
using CertificatePtr = Ptr<X509, X509_free>;
using ExtensionPtr = Ptr<X509_EXTENSION, X509_EXTENSION_free>;
using KeyPtr = Ptr<EVP_PKEY, EVP_PKEY_free>;
using ObjectPtr = Ptr<ASN1_OBJECT, ASN1_OBJECT_free>;
using OctetStringPtr = Ptr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using StorePtr = Ptr<X509_STORE, X509_STORE_free>;

/// What OpenSSL says of this thread's first recorded failure; its queue is empty afterwards. Never holds key
/// material.
std::string lastError();

}  // namespace rookery::tls
