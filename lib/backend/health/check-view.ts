/**
 * What a check shows to the expressions in its lines: the backend, the server, its own variables and the
 * response. There is no client, so what belongs to one is absent.
 */
import type { ResponseHead } from '../../http/message.js';
import type {
	ProcessScope,
	ProxyView,
	SampleValue,
	ServerView,
	SessionView,
	StreamLogView,
	StreamView,
	VariableScope,
	VariableStore,
} from '../../sample/types.js';

/** `proc` lives as long as the process, `sess` and `check` as one check (manual, `http-check set-var`). */
class CheckVariables implements VariableStore {
	readonly #process: ProcessScope;
	readonly #own = new Map<string, SampleValue>();

	constructor(process: ProcessScope) {
		this.#process = process;
	}

	get(scope: VariableScope, name: string): SampleValue | undefined {
		return scope === 'proc' ? this.#process.get(name) : this.#own.get(`${scope}.${name}`);
	}

	set(scope: VariableScope, name: string, value: SampleValue): void {
		if (scope === 'proc') this.#process.set(name, value);
		else this.#own.set(`${scope}.${name}`, value);
	}

	unset(scope: VariableScope, name: string): void {
		if (scope === 'proc') this.#process.delete(name);
		else this.#own.delete(`${scope}.${name}`);
	}
}

const NO_TIMINGS = {
	acceptWallMs: 0,
	requestWallMs: 0,
	handshakeMs: -1,
	idleMs: -1,
	requestMs: -1,
	queueMs: -1,
	connectMs: -1,
	responseMs: -1,
	dataMs: -1,
	totalMs: -1,
	activeMs: -1,
	userMs: -1,
};

const NO_LOG: StreamLogView = {
	timings: NO_TIMINGS,
	bytesRead: 0,
	bytesUploaded: 0,
	statusCode: 0,
	terminationState: '----',
	activeConnections: 0,
	frontendConnections: 0,
	backendConnections: 0,
	serverConnections: 0,
	retries: 0,
	redispatched: false,
	serverQueue: 0,
	backendQueue: 0,
	requestCounter: 0,
	cookieCapture: undefined,
	serverCookieCapture: undefined,
};

export class CheckView implements StreamView {
	readonly nowMs: number;
	readonly session: SessionView;
	readonly frontend: ProxyView;
	readonly backend: ProxyView;
	readonly server: ServerView;
	readonly request = undefined;
	response: ResponseHead | undefined;
	readonly requestBuffer = undefined;
	readonly requestBufferComplete = true;
	responseBuffer: Buffer | undefined;
	responseBufferComplete = false;
	readonly variables: VariableStore;
	readonly requestCaptures: readonly string[] = [];
	readonly responseCaptures: readonly string[] = [];
	readonly log = NO_LOG;

	constructor(backend: ProxyView, server: ServerView, processVariables: ProcessScope, nowMs: number) {
		this.nowMs = nowMs;
		this.backend = backend;
		this.frontend = backend;
		this.server = server;
		this.variables = new CheckVariables(processVariables);
		this.session = {
			source: undefined,
			sourcePort: 0,
			destination: undefined,
			destinationPort: 0,
			listenerName: undefined,
			listenerConnections: 0,
			listenerId: 0,
			frontend: backend,
			isTls: false,
			trackers: [],
			requestCount: 0,
		};
	}

	tracker(): undefined {
		return undefined;
	}

	uniqueId(): undefined {
		return undefined;
	}
}
