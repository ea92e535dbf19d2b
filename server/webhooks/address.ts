/**
 * Where webhooks may be sent. A URL is somebody else's to choose, and this server stands inside a network: without
 * these checks it could be made to call what only it can reach. Addresses are judged after the name was resolved, in
 * the look-up that the connection itself uses, so that a name cannot be one thing when asked and another when called.
 */
import { type LookupOptions, lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

export interface AddressRules {
  /** Everything, the instance metadata services of clouds included. */
  readonly allowPrivate: boolean;
  readonly allowLoopback: boolean;
}

/** Why an address is not called; undefined when it is. */
export function addressProblem(address: string, rules: AddressRules): string | undefined {
  if (rules.allowPrivate) return undefined;
  // An IPv4 address written as an IPv6 one counts as what it is.
  const range = ipaddr.isValid(address) ? ipaddr.process(address).range() : "invalid";
  if (range === "unicast" || (range === "loopback" && rules.allowLoopback)) return undefined;
  return notPublic(range);
}

const notPublic = (range: string): string =>
  `its address is ${range}, not public; webhooks.allowPrivateAddresses permits it`;

/** Why a URL cannot be a webhook's; undefined when it can, as far as that is known before its name is resolved. */
export function urlProblem(text: string, rules: AddressRules): string | undefined {
  if (!URL.canParse(text)) return "expected an absolute URL";
  const { protocol, hostname, username, password } = new URL(text);
  if (protocol !== "https:" && protocol !== "http:") return "expected https:// or http://";
  if (username !== "" || password !== "") return "must not contain a user or a password";
  const host = bareHost(hostname);
  if (isIP(host) > 0) return addressProblem(host, rules);
  if (/^(?:.*\.)?localhost\.?$/.test(host) && !rules.allowLoopback && !rules.allowPrivate)
    return notPublic("loopback");
  return undefined;
}

/** A host name without the brackets of an IPv6 address. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[|\]$/g, "");

/** A look-up that answers with an error when any address of the name is none that may be called. */
export function guardedLookup(rules: AddressRules): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      for (const { address } of addresses) {
        const problem = addressProblem(address, rules);
        if (problem !== undefined) {
          callback(new Error(problem), "", 0);
          return;
        }
      }
      const [first] = addresses;
      if (options.all === true) callback(null, addresses);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
}
