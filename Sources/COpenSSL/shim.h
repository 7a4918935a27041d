// OpenSSL as Swift sees it, and the smallest wrappers for what Swift cannot import: its macros.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// TLS 1.3 and nothing else.
static inline int roost_SSL_CTX_set_only_tls13(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

static inline void roost_SSL_CTX_forbid_resumption(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
}

static inline long roost_SSL_CTX_set_groups(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_groups_list(context, list);
}

static inline void roost_SSL_CTX_prefer_own_ciphers(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static inline long roost_SSL_CTX_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }

static inline long roost_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}

static inline long roost_SSL_add1_chain_cert(SSL *ssl, X509 *certificate) {
    return SSL_add1_chain_cert(ssl, certificate);
}

static inline void roost_SSL_set_msg_callback_arg(SSL *ssl, void *argument) {
    SSL_set_msg_callback_arg(ssl, argument);
}

static inline void roost_BIO_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline void roost_BIO_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int roost_ERR_reason(unsigned long code) { return ERR_GET_REASON(code); }

static inline int roost_ERR_library(unsigned long code) { return ERR_GET_LIB(code); }

// --- X.509: begin (Sources/TLS/X509*.swift) ------------------------------------------------------------------
// Variadic functions and the type-checked stack macros, which Swift does not import.

static inline EVP_PKEY *roost_x509_generate_p256(void) { return EVP_EC_gen("P-256"); }

static inline int roost_x509_add_name(X509_NAME *name, const char *field, const char *value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0);
}

// One line for people (RFC 2253); at least 0 unless it failed.
static inline int roost_x509_print_name(BIO *out, const X509_NAME *name) {
    return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
}

static inline int roost_x509_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

// The bytes of the URI at `index`, or NULL when the name at `index` is none.
static inline const unsigned char *roost_x509_uri(const GENERAL_NAMES *names, int index, int *count) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name == NULL || name->type != GEN_URI) return NULL;
    *count = ASN1_STRING_length(name->d.uniformResourceIdentifier);
    return ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
}

// The same for a host name (GEN_DNS) or an address (GEN_IPADD).
static inline const unsigned char *roost_x509_host(const GENERAL_NAMES *names, int index, int *kind, int *count) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name == NULL || (name->type != GEN_DNS && name->type != GEN_IPADD)) return NULL;
    const ASN1_STRING *text = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    *kind = name->type;
    *count = ASN1_STRING_length(text);
    return ASN1_STRING_get0_data(text);
}

static inline int roost_x509_permitted_count(const NAME_CONSTRAINTS *constraints) {
    return constraints->permittedSubtrees == NULL ? 0 : sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees);
}

// The same for the permitted subtree at `index`.
static inline const unsigned char *roost_x509_permitted_uri(
    const NAME_CONSTRAINTS *constraints, int index, int *count) {
    const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(constraints->permittedSubtrees, index);
    if (tree == NULL || tree->base == NULL || tree->base->type != GEN_URI) return NULL;
    *count = ASN1_STRING_length(tree->base->d.uniformResourceIdentifier);
    return ASN1_STRING_get0_data(tree->base->d.uniformResourceIdentifier);
}
// --- X.509: end ----------------------------------------------------------------------------------------------
