// Widely used artifacts whose builds (Gradle, Ant) leave no pom.properties in the jar. Kept by hand; the oracle is the
// artifact's page in the central Maven repository.
#include <array>
#include <charconv>

#include "catalog/java_identity.h"

namespace bulwark::catalog {
namespace {

struct Known {
  std::string_view artifact;  // exact, or a prefix when it ends with "*"
  std::string_view group;
  int from_major = 0;         // the group holds from this major version on
};

// The first row that fits counts, so longer prefixes and later versions stand first.
constexpr std::array kKnown = {
    Known{"spring-boot*", "org.springframework.boot"},
    Known{"spring-security*", "org.springframework.security"},
    Known{"spring-data*", "org.springframework.data"},
    Known{"spring-cloud*", "org.springframework.cloud"},
    Known{"spring-session*", "org.springframework.session"},
    Known{"spring-integration*", "org.springframework.integration"},
    Known{"spring-batch*", "org.springframework.batch"},
    Known{"spring-kafka*", "org.springframework.kafka"},
    Known{"spring-amqp", "org.springframework.amqp"},
    Known{"spring-rabbit*", "org.springframework.amqp"},
    Known{"spring-retry", "org.springframework.retry"},
    Known{"spring-hateoas", "org.springframework.hateoas"},
    Known{"spring-ldap*", "org.springframework.ldap"},
    Known{"spring-ws*", "org.springframework.ws"},
    Known{"spring-webflow", "org.springframework.webflow"},
    Known{"spring-graphql", "org.springframework.graphql"},
    Known{"spring-aop", "org.springframework"},
    Known{"spring-aspects", "org.springframework"},
    Known{"spring-beans", "org.springframework"},
    Known{"spring-context*", "org.springframework"},
    Known{"spring-core", "org.springframework"},
    Known{"spring-expression", "org.springframework"},
    Known{"spring-instrument*", "org.springframework"},
    Known{"spring-jcl", "org.springframework"},
    Known{"spring-jdbc", "org.springframework"},
    Known{"spring-jms", "org.springframework"},
    Known{"spring-messaging", "org.springframework"},
    Known{"spring-orm", "org.springframework"},
    Known{"spring-oxm", "org.springframework"},
    Known{"spring-r2dbc", "org.springframework"},
    Known{"spring-test", "org.springframework"},
    Known{"spring-tx", "org.springframework"},
    Known{"spring-web", "org.springframework"},
    Known{"spring-webflux", "org.springframework"},
    Known{"spring-webmvc*", "org.springframework"},
    Known{"spring-websocket", "org.springframework"},
    Known{"hibernate-core", "org.hibernate.orm", 6},
    Known{"hibernate-core", "org.hibernate"},
    Known{"hibernate-entitymanager", "org.hibernate"},
    Known{"hibernate-envers", "org.hibernate.orm", 6},
    Known{"hibernate-envers", "org.hibernate"},
    Known{"tomcat-embed-*", "org.apache.tomcat.embed"},
    Known{"tomcat-*", "org.apache.tomcat"},
    Known{"kotlin-*", "org.jetbrains.kotlin"},
    Known{"kotlinx-coroutines-*", "org.jetbrains.kotlinx"},
    Known{"okhttp*", "com.squareup.okhttp3", 3},
    Known{"okhttp", "com.squareup.okhttp"},
    Known{"okio*", "com.squareup.okio"},
    Known{"retrofit", "com.squareup.retrofit2", 2},
    Known{"grpc-*", "io.grpc"},
    Known{"opentelemetry-*", "io.opentelemetry"},
    Known{"micrometer-*", "io.micrometer"},
    Known{"reactor-core", "io.projectreactor"},
    Known{"reactor-netty*", "io.projectreactor.netty", 1},
    Known{"reactive-streams", "org.reactivestreams"},
    Known{"rxjava", "io.reactivex.rxjava3", 3},
    Known{"rxjava", "io.reactivex.rxjava2", 2},
    Known{"rxjava", "io.reactivex", 1},
    Known{"kafka-clients", "org.apache.kafka"},
    Known{"kafka-streams", "org.apache.kafka"},
    Known{"kafka_2*", "org.apache.kafka"},
    Known{"connect-runtime", "org.apache.kafka"},
    Known{"lucene-*", "org.apache.lucene"},
    Known{"solr-*", "org.apache.solr"},
    Known{"elasticsearch", "org.elasticsearch"},
    Known{"elasticsearch-*", "org.elasticsearch"},
    Known{"groovy*", "org.apache.groovy", 4},
    Known{"groovy*", "org.codehaus.groovy"},
    Known{"bcprov-*", "org.bouncycastle"},
    Known{"bcpkix-*", "org.bouncycastle"},
    Known{"bctls-*", "org.bouncycastle"},
    Known{"bcutil-*", "org.bouncycastle"},
    Known{"bcpg-*", "org.bouncycastle"},
    Known{"bc-fips", "org.bouncycastle"},
    Known{"mysql-connector-java", "mysql"},
    Known{"mysql-connector-j", "com.mysql"},
    Known{"postgresql", "org.postgresql"},
    Known{"ojdbc*", "com.oracle.database.jdbc"},
    Known{"h2", "com.h2database"},
    Known{"derby*", "org.apache.derby"},
    Known{"ant", "org.apache.ant"},
    Known{"ant-*", "org.apache.ant"},
    Known{"xercesImpl", "xerces"},
    Known{"xml-apis", "xml-apis"},
    Known{"xalan", "xalan"},
    Known{"dom4j", "org.dom4j", 2},
    Known{"dom4j", "dom4j"},
    Known{"freemarker", "org.freemarker"},
    Known{"aspectjweaver", "org.aspectj"},
    Known{"aspectjrt", "org.aspectj"},
    Known{"junit", "junit"},
    Known{"log4j", "log4j"},
    Known{"commons-collections", "commons-collections"},
    Known{"quartz", "org.quartz-scheduler"},
    Known{"c3p0", "com.mchange"},
    Known{"flyway-core", "org.flywaydb"},
    Known{"liquibase-core", "org.liquibase"},
};

}  // namespace

std::string KnownJavaGroup(std::string_view artifact, std::string_view version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  for (const Known& known : kKnown) {
    bool prefix = known.artifact.ends_with('*');
    std::string_view name = known.artifact.substr(0, known.artifact.size() - (prefix ? 1 : 0));
    if (prefix ? !artifact.starts_with(name) : artifact != name) continue;
    if (major >= known.from_major) return std::string(known.group);
  }
  return {};
}

}  // namespace bulwark::catalog
