#pragma once

#include <functional>
#include <string>

#include "http/message.h"
#include "http/target.h"
#include "image/store.h"
#include "reconcile/consoles.h"
#include "reconcile/events.h"
#include "reconcile/instance_plans.h"
#include "reconcile/object_store.h"
#include "reconcile/usage.h"
#include "reconcile/volume_dumps.h"
#include "reconcile/volume_loads.h"
#include "serve/admission.h"
#include "serve/discovery.h"
#include "serve/object_writer.h"
#include "serve/plan_resource.h"
#include "serve/request.h"
#include "serve/request_info.h"

namespace rookery::serve {

/// What the servers say beside what is observed; null: nobody asks them.
struct Streams {
  reconcile::Consoles* consoles = nullptr;
  const reconcile::UsageStore* usages = nullptr;
  reconcile::VolumeDumps* dumps = nullptr;
  reconcile::VolumeLoads* loads = nullptr;
  image::ImageStore* images = nullptr;  // that loads pass through
  const reconcile::InstancePlans* plans = nullptr;
  /// Which other controller looks at an instance, if one does; empty: none ever does. Thread-safe.
  std::function<std::optional<std::string>(const std::string& instance)> holderElsewhere = {};
};

/// The API below /api, /apis, /openapi and /version as Kubernetes shapes it: discovery, and the objects of
/// the custom kinds, Secrets and Events. Who may do what has been settled before. Thread-safe.
class ResourceApi {
 public:
  /// `writer` null: the API is read-only. All must outlive it.
  ResourceApi(const reconcile::ObjectStore& objects, const reconcile::EventCache& events,
              ObjectWriter* writer, Streams streams = {});

  /// Failures are Status objects.
  http::Response handle(const Request& request, const http::Target& target) const;

 private:
  http::Response discover(const Request& request, const http::Target& target) const;
  http::Response document(const Request& request, const http::Target& target) const;
  http::Response read(const Request& request, const http::Target& target, const Resource& resource,
                      const RequestInfo& info) const;
  http::Response readSubresource(const Request& request, const http::Target& target, const Resource& resource,
                                 RequestInfo info) const;
  http::Response log(const http::Target& target, const RequestInfo& info) const;
  http::Response plan(const Request& request, const http::Target& target, RequestInfo info) const;
  http::Response source(const Resource& resource, const RequestInfo& info) const;
  http::Response review(const Request& request, const http::Target& target, const RequestInfo& info) const;
  http::Response content(const Request& request, const http::Target& target, const RequestInfo& info) const;
  http::Response load(const Request& request, const http::Target& target,
                      const reconcile::ObjectView& volume) const;
  http::Response write(const Request& request, const http::Target& target, const Resource& resource,
                       const RequestInfo& info) const;
  const Resource* find(const RequestInfo& info, std::string_view version) const;

  const reconcile::ObjectStore& objects_;
  Resources resources_;
  ObjectWriter* writer_;
  reconcile::Consoles* consoles_;
  reconcile::VolumeDumps* dumps_;
  reconcile::VolumeLoads* loads_;
  image::ImageStore* images_;
  std::optional<PlanReader> plans_;  // none: nobody plans
  mutable Admission loading_{4, 2};
  // What a request holds in memory, it holds until its answer.
  mutable Admission parsing_{ObjectWriter::mostWriters, ObjectWriter::writersOfOne};
};

}  // namespace rookery::serve
