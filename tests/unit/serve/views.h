#pragma once

#include <map>
#include <string>

#include "reconcile/listener.h"
#include "reconcile/object_store.h"

namespace rookery::serve {

/// A unikernel on eu-1 as the controller publishes it, with the condition Ready as given.
inline reconcile::ObjectViewPtr unikernelView(const std::string& nameSpace, const std::string& name,
                                              bool ready, Reason reason, const std::string& message) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = nameSpace, .labels = {}, .annotations = {}};
  object->manifest = nlohmann::json{{"apiVersion", api::groupVersion},
                                    {"kind", "Unikernel"},
                                    {"metadata", {{"name", name}, {"namespace", nameSpace}}},
                                    {"spec", {{"instance", "eu-1"}, {"image", {{"path", "web.hvt"}}}}}};
  object->spec = api::Unikernel{};
  auto view = std::make_shared<reconcile::ObjectView>();
  view->object = std::move(object);
  view->identity = {.uid = "0b2e8c1e-5d6f-4d0e-9d8e-4c1f7a9b2d10",
                    .creationTimestamp = {},
                    .deletionTimestamp = {},
                    .generation = 3};
  view->status.observedGeneration = 3;
  view->status.instance = "eu-1";
  view->status.conditions = {{.type = api::Condition::Type::Ready,
                              .status = ready ? api::Condition::Status::True : api::Condition::Status::False,
                              .reason = reason,
                              .message = message,
                              .lastTransitionTime = {}}};
  return view;
}

inline reconcile::ObjectViewPtr instanceView(const std::string& name, const std::string& endpoint) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = "", .labels = {}, .annotations = {}};
  object->manifest = nlohmann::json{{"apiVersion", api::groupVersion},
                                    {"kind", "AlbatrossInstance"},
                                    {"metadata", {{"name", name}}},
                                    {"spec", {{"endpoint", endpoint}}}};
  api::AlbatrossInstance spec;
  spec.endpoint = endpoint;
  object->spec = std::move(spec);
  auto view = std::make_shared<reconcile::ObjectView>();
  view->object = std::move(object);
  return view;
}

/// Declares and reports what a view shows.
inline void publish(reconcile::ObjectStore& store, const reconcile::ObjectViewPtr& view) {
  reconcile::Listener nobody;
  store.declare(view->object, view->identity, {});
  if (!view->status.conditions.empty()) store.report(view->object->key(), view->status, nobody);
}

inline reconcile::ObjectViewPtr secretView(const std::string& nameSpace, const std::string& name) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = nameSpace, .labels = {}, .annotations = {}};
  object->manifest = nlohmann::json{{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", name}}}};
  object->spec = api::Secret{.data = {{"password", "hunter2"}}};
  auto view = std::make_shared<reconcile::ObjectView>();
  view->object = std::move(object);
  return view;
}

}  // namespace rookery::serve
