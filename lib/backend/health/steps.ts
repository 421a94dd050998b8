/**
 * The steps of a check, ready to run: what `compile-check.ts` and `ready-made.ts` make and `check-run.ts` carries out.
 *
 * Bytes are latin1 strings, as everywhere where configuration meets the wire; checks are small and rare.
 */
import type { ResponseHead } from '../../http/message.js';
import type { StreamView } from '../../sample/types.js';
import type { CheckStatus } from './check-status.js';
import type { ExternalCheck } from './external-run.js';

/** What has come from the server since the last send or connection. */
export interface Received {
	readonly text: string;
	/** The server has sent all it will: nothing to wait for. */
	readonly ended: boolean;
	/** Of an HTTP check, once its head is whole. */
	readonly head: ResponseHead | undefined;
	/** The decoded body so far. */
	readonly body: string;
}

/** A step is not content. */
export interface StepFailure {
	readonly status: CheckStatus;
	readonly code: number;
	readonly info: string;
}

/** `pass` with what the check reports if this was its last step. */
export type StepJudgement =
	| 'wait'
	| { readonly passed: true; readonly status: CheckStatus; readonly code: number; readonly info: string }
	| ({ readonly passed: false } & StepFailure);

export interface ConnectAction {
	readonly kind: 'connect';
	/** Made by us, not by a line: it has no number in messages. */
	readonly isImplicit: boolean;
	readonly number: number;
	readonly label: string;
	readonly comment: string | undefined;
	/** Undefined: the server's; a port of 0 or beyond 65535 fails the check. */
	readonly port: ((view: StreamView) => number) | undefined;
	readonly host: string | undefined;
	/** The server line's own ways apply: TLS and PROXY header. */
	readonly usesServerSettings: boolean;
	readonly sendProxy: boolean;
	readonly viaSocks4: boolean;
	readonly ssl: boolean;
	readonly sni: string | undefined;
	readonly alpn: readonly string[];
	/** Undefined: what the server line says, or ALPN chooses. */
	readonly proto: 'h1' | 'h2' | undefined;
	readonly linger: boolean;
}

/** A request of an HTTP check, before it is written in the language of its connection. */
export interface CheckRequest {
	readonly method: string;
	readonly uri: string;
	readonly version: string;
	/** Names in lower case. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	readonly body: string | undefined;
}

export interface SendAction {
	readonly kind: 'send';
	readonly number: number;
	readonly label: string;
	readonly comment: string | undefined;
	/** Undefined: nothing could be made of the format. */
	readonly data: (view: StreamView, state: string) => string | undefined;
	/** The method of an HTTP request, whose response is read accordingly. */
	readonly method: string | undefined;
	/** What `data` writes for HTTP/1, if it is such a request. */
	readonly request?: (view: StreamView, state: string) => CheckRequest;
}

export interface ExpectAction {
	readonly kind: 'expect';
	readonly number: number;
	readonly label: string;
	readonly comment: string | undefined;
	/** `wait` when more is needed; never when `received.ended`. */
	readonly judge: (received: Received, view: StreamView) => StepJudgement;
	readonly timeoutStatus: CheckStatus;
	/** What an empty response is called. */
	readonly emptyStatus: CheckStatus;
	/** Reads an HTTP response. */
	readonly isHttp: boolean;
}

export interface VariableAction {
	readonly kind: 'variable';
	readonly run: (view: StreamView) => void;
}

export type CheckAction = ConnectAction | SendAction | ExpectAction | VariableAction;

/** A whole check, the same for every server of a backend. */
export interface CompiledCheck {
	readonly actions: readonly CheckAction[];
	/** Its lines say where in them something went wrong (`at step 2 of tcp-check`). */
	readonly namesSteps: boolean;
	/** Its steps are those of HTTP, which a connection may speak as HTTP/2. */
	readonly isHttp?: boolean;
	/** `http-check disable-on-404`. */
	readonly disableOn404: boolean;
	/** `http-check send-state`: requests tell how the server is seen. */
	readonly sendState: boolean;
	/** `option external-check`: a program in place of the actions. */
	readonly external?: ExternalCheck | undefined;
}
