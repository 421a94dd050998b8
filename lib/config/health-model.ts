/**
 * Health checks as data: what a backend's checks say and expect, and what a server line asks of them.
 *
 * A check is a list of steps. `option httpchk`, `option tcp-check` and the ready-made checks differ only in
 * their steps; texts that may hold expressions stay words, and whoever runs the checks compiles them.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { Line } from './model.js';

/** A text as written, or a log format. */
export interface CheckText {
	readonly text: string;
	readonly isFormat: boolean;
}

export interface ConnectStep {
	readonly kind: 'connect';
	readonly place: Place;
	readonly comment: string | undefined;
	/** `default`: what is not said here is taken from the server line. */
	readonly useDefaults: boolean;
	/** A number, or the words of an expression; undefined: the server's. */
	readonly port: number | Line | undefined;
	readonly address: SocketAddress | undefined;
	readonly sendProxy: boolean;
	readonly ssl: boolean;
	readonly sni: string | undefined;
	readonly alpn: readonly string[];
	/** `proto h1`, `proto h2`; undefined: what the server line says, or ALPN chooses. */
	readonly proto: 'h1' | 'h2' | undefined;
	/** `via-socks4`: by way of the server's SOCKS4 proxy. */
	readonly viaSocks4: boolean;
	/** Closed cleanly, not by a reset. */
	readonly linger: boolean;
}

export interface SendStep {
	readonly kind: 'send';
	readonly place: Place;
	readonly comment: string | undefined;
	/** Bytes as a latin1 string, or the format that gives them; `isHex`: the format gives hexadecimal digits. */
	readonly data: CheckText;
	readonly isHex: boolean;
}

export interface HttpSendStep {
	readonly kind: 'http-send';
	readonly place: Place;
	readonly comment: string | undefined;
	readonly method: string;
	readonly uri: CheckText;
	readonly version: string;
	/** Values are log formats. */
	readonly headers: readonly (readonly [name: string, format: string])[];
	readonly body: CheckText | undefined;
}

export type CheckOkStatus = 'L7OK' | 'L7OKC' | 'L6OK' | 'L4OK';
export type CheckErrorStatus = 'L7OKC' | 'L7RSP' | 'L7STS' | 'L6RSP' | 'L4CON';
export type CheckTimeoutStatus = 'L7TOUT' | 'L6TOUT' | 'L4TOUT';

export interface HeaderMatch {
	readonly method: 'str' | 'beg' | 'end' | 'sub' | 'reg';
	readonly pattern: CheckText;
}

/** What the response is compared with. */
export type ExpectMatch =
	| { readonly kind: 'status'; readonly ranges: readonly (readonly [low: number, high: number])[] }
	| { readonly kind: 'rstatus'; readonly regex: string }
	| {
			readonly kind: 'hdr' | 'fhdr';
			readonly name: HeaderMatch;
			readonly value: HeaderMatch | undefined;
	  }
	/** Bytes as a latin1 string; in an HTTP check they are looked for in the body. `binary` is how it was written. */
	| { readonly kind: 'string' | 'binary'; readonly pattern: CheckText; readonly isHex: boolean }
	| { readonly kind: 'rstring' | 'rbinary'; readonly regex: string };

export interface ExpectStep {
	readonly kind: 'expect';
	readonly place: Place;
	readonly comment: string | undefined;
	readonly match: ExpectMatch;
	readonly negated: boolean;
	/** Bytes to wait for; -1: none said, 0: whatever has come decides. */
	readonly minRecv: number;
	readonly okStatus: CheckOkStatus | undefined;
	readonly errorStatus: CheckErrorStatus | undefined;
	readonly timeoutStatus: CheckTimeoutStatus | undefined;
	readonly onSuccess: string | undefined;
	readonly onError: string | undefined;
	readonly statusCode: Line | undefined;
}

export type CheckStepModel =
	| ConnectStep
	| SendStep
	| HttpSendStep
	| ExpectStep
	/** Counts as a step in messages; its text is added to that of the steps that follow. */
	| { readonly kind: 'comment'; readonly place: Place; readonly comment: string }
	/** `set-var(...)`, `set-var-fmt(...)`, `unset-var(...)`: the words of the line. */
	| { readonly kind: 'variable'; readonly place: Place; readonly line: Line };

export type ReadyMadeCheck =
	| { readonly kind: 'redis' | 'ldap' | 'ssl-hello' }
	| { readonly kind: 'smtp'; readonly command: string }
	| { readonly kind: 'mysql'; readonly user: string | undefined; readonly post41: boolean }
	| { readonly kind: 'pgsql'; readonly user: string };

/** How the servers of a backend are checked (manual, 4.2 `option httpchk` and the others; the last one wins). */
export type HealthCheckModel =
	/** A connection that opens is enough; with TLS, a handshake that ends well. */
	| { readonly kind: 'connect' }
	| { readonly kind: 'tcp-check'; readonly steps: readonly CheckStepModel[] }
	| {
			readonly kind: 'httpchk';
			readonly steps: readonly CheckStepModel[];
			readonly disableOn404: boolean;
			readonly sendState: boolean;
	  }
	| { readonly kind: 'ready-made'; readonly check: ReadyMadeCheck }
	/** A program; `path` is its PATH. */
	| { readonly kind: 'external'; readonly command: string; readonly path: string };

/** `agent-check` and its companions (manual, 5.2). */
export interface AgentCheckModel {
	readonly port: number;
	/** Undefined: the server's. */
	readonly address: SocketAddress | undefined;
	readonly interMs: number;
	readonly send: string | undefined;
}

/** What a `server` line says of its checks, beside `check`, `inter`, `rise` and `fall`. */
export interface ServerHealthModel {
	readonly fastinterMs: number | undefined;
	readonly downinterMs: number | undefined;
	readonly checkPort: number | undefined;
	readonly checkAddress: SocketAddress | undefined;
	/** `check-ssl`, `no-check-ssl`; undefined: as the traffic, unless port or address differ. */
	/** `check-via-socks4`. */
	readonly checkViaSocks4?: boolean;
	readonly checkTls: boolean | undefined;
	readonly checkSni: string | undefined;
	readonly checkAlpn: readonly string[];
	/** `check-proto`; undefined: what the traffic speaks. */
	readonly checkProto?: 'h1' | 'h2' | 'none' | undefined;
	readonly checkSendProxy: boolean | undefined;
	readonly agentCheck: boolean;
	readonly agent: AgentCheckModel;
	readonly observe: 'none' | 'layer4' | 'layer7';
	readonly errorLimit: number;
	readonly onError: 'fastinter' | 'fail-check' | 'sudden-death' | 'mark-down';
	readonly shutdownWhenDown: boolean;
	readonly shutdownBackupsWhenUp: boolean;
	/** 0: at full speed at once. */
	readonly slowstartMs: number;
	/** `track [<backend>/]<server>`. */
	readonly track: { readonly place: Place; readonly backend: string | undefined; readonly server: string } | undefined;
	/** `init-state`, of later versions. `none`: as without the option. */
	readonly initState: 'none' | 'up' | 'fully-up' | 'down' | 'fully-down';
}
