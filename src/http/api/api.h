#pragma once
// /api/v1: the product API (docs/openapi.yaml). Adapters only: a row parses, makes one call of service/, answers.

#include <vector>

#include "http/router.h"
#include "service/collection.h"
#include "service/data.h"
#include "service/exceptions.h"
#include "service/images.h"
#include "service/policies.h"
#include "service/projects.h"
#include "service/users.h"

namespace bulwark::http {

// What the handlers work with; outlives the router.
struct ApiDeps {
  explicit ApiDeps(service::Service& s, service::Data& d, service::Collection& c)
      : service(s), data(d), collection(c), projects(s), images(s), policies(s), exceptions(s), users(s) {}
  service::Service& service;
  service::Data& data;
  service::Collection& collection;
  service::Projects projects;
  service::Images images;
  service::Policies policies;
  service::Exceptions exceptions;
  service::Users users;
};

// Every row of /api/v1. `deps` outlives the router.
std::vector<Route> ApiRoutes(ApiDeps& deps);

// Rows by noun, put together by ApiRoutes.
std::vector<Route> ProjectRoutes(ApiDeps& deps);
std::vector<Route> ImageRoutes(ApiDeps& deps);
std::vector<Route> PolicyRoutes(ApiDeps& deps);
std::vector<Route> ExceptionRoutes(ApiDeps& deps);
std::vector<Route> UserRoutes(ApiDeps& deps);
std::vector<Route> OperationRoutes(ApiDeps& deps);
std::vector<Route> CollectionRoutes(ApiDeps& deps);

}  // namespace bulwark::http
