/** The runtime API in a data thread: does what is told and answers what is asked (runtime-api/runtime-view.ts). */
import type { CompiledConfiguration } from '../compile/index.js';
import type { Traffic } from '../compile/traffic.js';
import type { LiveConnection, LiveStream } from '../frontend/listener.js';
import type { TlsChange } from '../frontend/tls-change.js';
import type { RuntimeChange, RuntimeQuestion, RuntimeReply, SessionRow } from '../runtime-api/runtime-view.js';
import { applyPatternStep } from '../sample/pattern-change.js';
import type { Session } from '../stream/session.js';
import { Cause, Phase } from '../stream/termination.js';

export class RuntimeChanges {
	readonly #compiled: CompiledConfiguration;
	readonly #traffic: Traffic;

	constructor(compiled: CompiledConfiguration, traffic: Traffic) {
		this.#compiled = compiled;
		this.#traffic = traffic;
	}

	apply(change: RuntimeChange): void {
		switch (change.kind) {
			case 'servers-changed':
				this.#compiled.backends.get(change.backend)?.backend.stateChanged();
				break;
			case 'server-sessions-end':
				this.#shutDown(this.#servedBy(change.backend, change.server), change.cause);
				break;
			case 'server-address': {
				const backend = this.#compiled.backends.get(change.backend)?.backend;
				const server = backend?.serverByName(change.server);
				if (change.host === '') server?.clearAddress();
				else server?.setAddress(change.host, change.family, change.port);
				// What rests there leads to the former address.
				server?.idle.closeAll();
				backend?.persistence?.addressesChanged();
				break;
			}
			case 'frontend-accepts':
				for (const listener of this.#traffic.listeners) {
					if (listener.frontendName === change.frontend) listener.setAccepting(change.accepts);
				}
				break;
			case 'maxconn':
				this.#traffic.setMaxconn(change.frontend, change.limit);
				break;
			case 'rate-limits':
				this.#traffic.setRateLimits(change.limits);
				break;
			case 'compression-rate':
				this.#compiled.thread.compressors.setRateMax(change.bytesPerSecond / this.#compiled.model.global.nbthread);
				break;
			case 'tls':
				this.#changeTls(change.change);
				break;
			case 'patterns': {
				const reference = this.#compiled.patterns.byId(change.id, change.usedBy);
				if (reference === undefined) throw new Error(`there is no set of patterns ${change.id}`);
				for (const step of change.steps) applyPatternStep(reference, step);
				break;
			}
			case 'process-variable':
				this.#compiled.thread.processVariables.receive(change.name, change.value);
				break;
		}
	}

	#changeTls(change: TlsChange): void {
		for (const acceptor of new Set(this.#compiled.tlsAcceptors.values())) acceptor.apply(change);
		const isCertificate = change.kind === 'certificate';
		if (!isCertificate && change.kind !== 'authorities' && change.kind !== 'revocations') return;
		const content = isCertificate ? `${change.pem}\n${change.key}` : change.text;
		for (const { backend } of this.#compiled.backends.values()) {
			for (const server of backend.servers) {
				if (server.tls?.replaceFile(change.path, content) === true) server.idle.closeAll();
			}
		}
	}

	answer(question: RuntimeQuestion): RuntimeReply {
		switch (question.ask) {
			case 'sessions':
				return { sessions: this.#sessions(question.afterId, question.limit) };
			case 'captures': {
				const { captures } = this.#compiled.thread;
				return { captures: captures.list(), captureCount: captures.count };
			}
			case 'shutdown-session':
				return { count: this.#shutDown(this.#ofSession(question.id)) };
			case 'add-server': {
				const added = this.#compiled.dynamicServers.add(question.backend, question.server, question.index);
				return { count: typeof added === 'string' ? 0 : 1 };
			}
			case 'remove-server':
				this.#compiled.dynamicServers.remove(question.backend, question.server);
				return { count: 1 };
			case 'shutdown-server-sessions':
				return { count: this.#shutDown(this.#servedBy(question.backend, question.server)) };
		}
	}

	/** The sessions behind a number, in its order: each listener has its own in that order already. */
	#sessions(afterId: number, limit: number): SessionRow[] {
		const found: (readonly [Session, LiveConnection])[] = [];
		for (const listener of this.#traffic.listeners) {
			let count = 0;
			for (const live of listener.live()) {
				if (live[0].id <= afterId) continue;
				found.push(live);
				if (++count === limit) break;
			}
		}
		const nowMs = this.#compiled.thread.nowMs();
		return found
			.sort(([a], [b]) => a.id - b.id)
			.slice(0, limit)
			.map(([session, { stream }]) => describe(session, stream, nowMs));
	}

	#ofSession(id: number): LiveStream[] {
		const found: LiveStream[] = [];
		for (const listener of this.#traffic.listeners) {
			for (const [session, connection] of listener.live()) if (session.id === id) found.push(connection);
		}
		return found;
	}

	/** Requests that a server serves: of a connection of HTTP/2 only those, and not what else is on it. */
	#servedBy(backend: string, name: string): LiveStream[] {
		const found: LiveStream[] = [];
		for (const listener of this.#traffic.listeners) {
			for (const [, connection] of listener.live()) {
				for (const live of connection.liveStreams ?? [connection]) {
					const server = live.stream?.server;
					if (server?.name === name && server.backendName === backend) found.push(live);
				}
			}
		}
		return found;
	}

	/** `cause`: first letter of the termination state. */
	#shutDown(meant: readonly LiveStream[], cause: Cause = Cause.KILLED): number {
		for (const live of meant) {
			for (const { stream } of (live as LiveConnection).liveStreams ?? [live]) {
				const isWaiting = stream?.request !== undefined && stream.response === undefined;
				stream?.terminate(cause, isWaiting ? Phase.HEADERS : Phase.DATA);
			}
			if (live.kill === undefined) live.destroy();
			else live.kill();
		}
		return meant.length;
	}
}

function describe(session: Session, stream: LiveConnection['stream'], nowMs: number): SessionRow {
	const { source } = session;
	return {
		id: session.id,
		protocol: source === undefined ? 'unix_stream' : source.family === 4 ? 'tcpv4' : 'tcpv6',
		source: source?.toString() ?? 'unix',
		sourcePort: session.sourcePort,
		frontend: session.frontend.model.name,
		listener: session.listenerName,
		backend: stream?.backendTraffic?.model.name,
		server: stream?.server?.name,
		ageMs: Math.max(0, nowMs - session.acceptedMs),
		requestCount: session.requestCount,
		acceptedWallMs: session.acceptedWallMs,
	};
}
