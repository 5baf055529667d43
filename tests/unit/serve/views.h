#pragma once

#include <map>
#include <string>

#include "reconcile/status_store.h"

namespace rookery::serve {

/// A unikernel on eu-1 as the controller publishes it, with the condition Ready as given.
inline reconcile::ObjectViewPtr unikernelView(const std::string& nameSpace, const std::string& name,
                                              bool ready, Reason reason, const std::string& message) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = nameSpace, .labels = {}, .annotations = {}};
  object->manifest = {{"apiVersion", api::groupVersion},
                      {"kind", "Unikernel"},
                      {"metadata", {{"name", name}, {"namespace", nameSpace}}},
                      {"spec", {{"instance", "eu-1"}, {"image", {{"path", "web.hvt"}}}}}};
  object->spec = api::Unikernel{};
  auto view = std::make_shared<reconcile::ObjectView>();
  view->object = std::move(object);
  view->generation = 3;
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
  object->manifest = {{"apiVersion", api::groupVersion},
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

inline reconcile::ObjectViewPtr secretView(const std::string& nameSpace, const std::string& name) {
  auto object = std::make_shared<api::Object>();
  object->metadata = {.name = name, .nameSpace = nameSpace, .labels = {}, .annotations = {}};
  object->manifest = {{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", name}}}};
  object->spec = api::Secret{.data = {{"password", "hunter2"}}};
  auto view = std::make_shared<reconcile::ObjectView>();
  view->object = std::move(object);
  return view;
}

}  // namespace rookery::serve
