/**
 * When a server is checked: one run at a time, the next one an interval after the last began (manual, 5.2
 * `inter`), with the agent beside it in the same way. All checks of a process run in one thread; the first
 * ones are spread over an interval, so that a machine with many servers is not asked everything at once.
 */
import net from 'node:net';
import type { Clock, Timer } from '../../core/clock.js';
import type { ProcessScope } from '../../sample/types.js';
import { CheckRun, type CheckTarget, errorText } from './check-run.js';
import { type CheckResult, CheckStatus } from './check-status.js';
import { CheckView } from './check-view.js';
import { ExternalRun } from './external-run.js';
import type { ServerMonitor } from './server-monitor.js';
import type { CompiledCheck } from './steps.js';

export interface CheckerOptions {
	readonly monitor: ServerMonitor;
	readonly check: CompiledCheck;
	/** Asked before each check. */
	readonly target: () => CheckTarget;
	readonly clock: Clock;
	readonly hostname: string;
	readonly bufferSize: number;
	/** `spread-checks`, 0..50. */
	readonly spreadPercent: number;
	readonly random: () => number;
	readonly processVariables: ProcessScope;
}

const CONNECT_TIMEOUT_NONE = Number.POSITIVE_INFINITY;
/** An agent's line; more is cut. */
const AGENT_LINE_MAX = 4096;

export class Checker {
	readonly monitor: ServerMonitor;
	readonly #options: CheckerOptions;
	#timer: Timer | undefined;
	#agentTimer: Timer | undefined;
	#run: CheckRun | ExternalRun | undefined;
	#agent: net.Socket | undefined;
	#stopped = false;
	#startedMs = 0;

	constructor(options: CheckerOptions) {
		this.#options = options;
		this.monitor = options.monitor;
		options.monitor.onHurry = () => this.#hurry();
	}

	/** Begins after a delay, which spreads the checks of many servers. */
	start(delayMs: number): void {
		const { model } = this.monitor.server;
		const { clock } = this.#options;
		if (model.check) this.#timer = clock.setTimer(this.#begin, delayMs);
		if (model.health.agentCheck) this.#agentTimer = clock.setTimer(this.#askAgent, delayMs);
	}

	stop(): void {
		this.#stopped = true;
		this.#timer?.cancel();
		this.#agentTimer?.cancel();
		this.#run?.cancel();
		this.#agent?.destroy();
		this.monitor.stop();
	}

	// Health checks

	readonly #begin = (): void => {
		const { monitor, check, target, clock } = this.#options;
		const { backend, server } = monitor;
		this.#timer = undefined;
		this.#startedMs = clock.monotonicMs();
		if (!monitor.checksEnabled || monitor.isInMaintenance) {
			this.#schedule();
			return;
		}
		const { connectMs, checkMs } = backend.model.timeouts;
		if (check.external !== undefined) {
			const external = new ExternalRun({
				check: check.external,
				backend,
				server,
				clock,
				timeoutMs: checkMs ?? server.model.interMs,
				done: (result) => this.#ended(result),
			});
			this.#run = external;
			external.start();
			return;
		}
		const run = new CheckRun({
			check,
			target: target(),
			view: new CheckView(backend, server, this.#options.processVariables, this.#startedMs),
			clock,
			connectTimeoutMs: connectMs ?? CONNECT_TIMEOUT_NONE,
			checkTimeoutMs: checkMs,
			intervalMs: this.#intervalMs(),
			bufferSize: this.#options.bufferSize,
			isRunning: monitor.isRunning,
			state: check.sendState ? this.#stateHeader() : '',
			done: (result) => this.#ended(result),
		});
		this.#run = run;
		run.start();
	};

	#ended(result: CheckResult): void {
		this.#run = undefined;
		if (this.#stopped) return;
		this.monitor.hurried = false;
		this.monitor.checked(result);
		this.#schedule();
	}

	#intervalMs(): number {
		const { model } = this.monitor.server;
		const { health, lastResult, hurried } = this.monitor;
		const { fastinterMs, downinterMs } = model.health;
		if (hurried || lastResult === undefined || health.isBetween) return fastinterMs ?? model.interMs;
		return health.value === 0 ? (downinterMs ?? model.interMs) : model.interMs;
	}

	#schedule(): void {
		const { clock } = this.#options;
		const delayMs = this.#startedMs + this.#spread(this.#intervalMs()) - clock.monotonicMs();
		this.#timer?.cancel();
		this.#timer = clock.setTimer(this.#begin, Math.max(1, delayMs));
	}

	/** `on-error`: the next check comes sooner, if it is not running already. */
	#hurry(): void {
		if (this.#timer !== undefined && !this.#stopped) this.#schedule();
	}

	/** The interval with the noise of `spread-checks`: up to so many percent more or less. */
	#spread(intervalMs: number): number {
		const { spreadPercent, random } = this.#options;
		return intervalMs + Math.round(((random() * 2 - 1) * spreadPercent * intervalMs) / 100);
	}

	/** `UP 2/3; address=10.0.0.1; port=80; name=b/s; node=lb; weight=1/2; scur=13/22; qcur=0` (manual, `http-check send-state`) */
	#stateHeader(): string {
		const { backend, server, health } = this.monitor;
		const unix = server.model.address.kind === 'unix';
		const { rise, fall, value } = health;
		let state: string;
		if (!health.isUp) state = value === 0 ? 'DOWN' : `DOWN ${value}/${rise}`;
		else {
			const word = server.isUsable() ? 'UP' : server.isRunning() ? 'NOLB' : 'DOWN';
			state = value === rise + fall - 1 ? word : `${word} ${value - rise + 1}/${fall}`;
		}
		const weights = `weight=${server.effectiveWeight()}/${backend.usableWeight()}`;
		const sessions = `scur=${server.currentSessions()}/${backend.currentSessions()}`;
		return `${state}; address=${unix ? 'unix' : server.address}; port=${unix ? 'unix' : server.port}; name=${backend.name}/${server.name}; node=${this.#options.hostname}; ${weights}; ${sessions}; qcur=${server.queuedCount()}`;
	}

	// Agent checks

	readonly #askAgent = (): void => {
		const { monitor, clock, target } = this.#options;
		const { agent } = monitor.server.model.health;
		const { destination } = target();
		const startMs = clock.monotonicMs();
		const timeoutMs = monitor.backend.model.timeouts.checkMs ?? agent.interMs;
		this.#agentTimer = clock.setTimer(this.#askAgent, this.#spread(agent.interMs));
		if (!monitor.agentEnabled || this.#agent !== undefined) return;
		const { agentEndpoint } = monitor;
		const host =
			agentEndpoint.host !== undefined
				? agentEndpoint.host
				: destination.kind === 'tcp'
					? destination.host
					: '127.0.0.1';
		let text = '';
		let connected = false;
		const socket = net.connect({ host, port: agentEndpoint.port });
		this.#agent = socket;
		const end = (failure: CheckStatus | undefined, info = ''): void => {
			if (this.#agent !== socket) return;
			this.#agent = undefined;
			deadline.cancel();
			socket.removeAllListeners();
			socket.on('error', () => undefined);
			socket.destroy();
			if (this.#stopped) return;
			const durationMs = clock.monotonicMs() - startMs;
			if (failure === undefined) monitor.agentReplied(text, durationMs);
			else monitor.agentFailed({ status: failure, code: 0, info, durationMs });
		};
		const deadline = clock.setTimer(() => end(connected ? CheckStatus.L7TOUT : CheckStatus.L4TOUT), timeoutMs);
		socket.on('connect', () => {
			connected = true;
			if (agentEndpoint.send !== undefined) socket.write(Buffer.from(agentEndpoint.send, 'latin1'));
		});
		socket.on('data', (chunk) => {
			text = (text + chunk.toString('latin1')).slice(0, AGENT_LINE_MAX);
			if (/[\r\n]/.test(text) || text.length === AGENT_LINE_MAX) end(undefined);
		});
		socket.on('end', () => end(text === '' ? CheckStatus.L7RSP : undefined));
		socket.on('error', (error) => end(connected ? CheckStatus.L7RSP : CheckStatus.L4CON, errorText(error)));
	};
}
