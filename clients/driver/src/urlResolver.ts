// Addresses of documents.

import type { IRequest } from "@fluidframework/core-interfaces";
import type { IResolvedUrl, IUrlResolver } from "@fluidframework/driver-definitions/legacy";
import type { LeveeResolvedUrl } from "./contracts.ts";

const SOCKET_PATH = "/socket";
/** Fluid's header of a request for a document that does not exist yet. */
const CREATE_NEW = "createNew";
/** Stands for the id that the service will give. */
const NEW_DOCUMENT = "new";

/** The socket's address for a service's HTTP address: `https://x` → `wss://x/socket`. */
export function deriveSocketUrl(httpUrl: string): string {
  const base = httpUrl.replace(/\/$/, "");
  const secure = /^https:\/\//i.test(base);
  return `${secure ? "wss" : "ws"}://${base.replace(/^https?:\/\//i, "")}${SOCKET_PATH}`;
}

/**
 * Resolves `levee://host/tenant/document`, the same with `phoenix`, `http` and `https`, and the
 * plain `tenant/document` and `document`. The host is that of the resolver, whatever a request
 * says; what follows the document is left to Fluid.
 */
export class LeveeUrlResolver implements IUrlResolver {
  readonly #socketUrl: string;
  readonly #httpUrl: string;
  readonly #defaultTenantId: string;

  /**
   * @param socketUrl - without it the address is derived from `httpUrl`
   * @param httpUrl - as in `https://host:port`
   */
  constructor(socketUrl: string | undefined, httpUrl: string, defaultTenantId = "fluid") {
    this.#httpUrl = httpUrl.replace(/\/+$/, "");
    const given = socketUrl?.replace(/\/+$/, "");
    this.#socketUrl =
      given === undefined
        ? deriveSocketUrl(this.#httpUrl)
        : given.endsWith(SOCKET_PATH)
          ? given
          : `${given}${SOCKET_PATH}`;
    this.#defaultTenantId = defaultTenantId;
  }

  async resolve(request: IRequest): Promise<LeveeResolvedUrl | undefined> {
    const isNew = request.headers !== undefined && CREATE_NEW in request.headers;
    const [first, second] = segments(request.url);
    if (first === undefined && !isNew) return undefined;
    if (second !== undefined) return this.#resolved(first ?? this.#defaultTenantId, second);
    // One segment is the tenant that a new document is for, or else a document.
    return isNew
      ? this.#resolved(first ?? this.#defaultTenantId, NEW_DOCUMENT)
      : this.#resolved(this.#defaultTenantId, first ?? NEW_DOCUMENT);
  }

  async getAbsoluteUrl(resolvedUrl: IResolvedUrl, relativeUrl: string): Promise<string> {
    const { tenantId, documentId } = asLeveeUrl(resolvedUrl);
    const document = this.#url(tenantId, documentId);
    const relative = relativeUrl.replace(/^\/+/, "");
    return relative === "" ? document : `${document}/${relative}`;
  }

  /** A request for a document that the service is to create. */
  createCreateNewRequest(tenantId: string = this.#defaultTenantId): IRequest {
    return {
      url: `${this.#httpUrl}/${encodeURIComponent(tenantId)}`,
      headers: { [CREATE_NEW]: true },
    };
  }

  /** A request for a document that exists. */
  createRequestForDocument(documentId: string, tenantId: string = this.#defaultTenantId): IRequest {
    return { url: this.#url(tenantId, documentId) };
  }

  #url(tenantId: string, documentId: string): string {
    return `${this.#httpUrl}/${encodeURIComponent(tenantId)}/${encodeURIComponent(documentId)}`;
  }

  #resolved(tenantId: string, documentId: string): LeveeResolvedUrl {
    const [tenant, document] = [tenantId, documentId].map(encodeURIComponent);
    return {
      type: "fluid",
      id: documentId,
      url: this.#url(tenantId, documentId),
      tenantId,
      documentId,
      socketUrl: this.#socketUrl,
      httpUrl: this.#httpUrl,
      endpoints: {
        deltaStorageUrl: `/deltas/${tenant}/${document}`,
        storageUrl: `${this.#httpUrl}/repos/${tenant}`,
      },
      tokens: {},
    };
  }
}

/** A resolved address as this package's resolver makes them. */
export function asLeveeUrl(resolvedUrl: IResolvedUrl): LeveeResolvedUrl {
  const levee = resolvedUrl as LeveeResolvedUrl;
  if (levee.tenantId === undefined || levee.httpUrl === undefined) {
    throw new TypeError(`${resolvedUrl.url} was not resolved by a LeveeUrlResolver`);
  }
  return levee;
}

/** The address of another document of the same service and tenant. */
export function withDocument(resolvedUrl: LeveeResolvedUrl, documentId: string): LeveeResolvedUrl {
  const { httpUrl, tenantId, endpoints } = resolvedUrl;
  const [tenant, document] = [tenantId, documentId].map(encodeURIComponent);
  return {
    ...resolvedUrl,
    id: documentId,
    documentId,
    url: `${httpUrl}/${tenant}/${document}`,
    endpoints: { ...endpoints, deltaStorageUrl: `/deltas/${tenant}/${document}` },
  };
}

/** The segments of the path, decoded: tenant, document, and what Fluid adds. */
function segments(url: string): string[] {
  const [path = ""] = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").split(/[?#]/);
  return path
    .split("/")
    .filter((segment) => segment !== "")
    .map(decoded);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A percent sign that stands for itself.
    return segment;
  }
}
