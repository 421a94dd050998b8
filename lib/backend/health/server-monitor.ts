/**
 * What is known of one server's health, and what follows from it: the operational state that all threads see, the
 * servers that track it, its log lines, its slow start.
 *
 * Facts come in (`checked`, `agentReplied`, `observedErrors`), state goes out through `ServerStates` and the
 * `MonitorHost`. No socket and no timer of a check is here: `checker.ts` has those.
 */

import type { LastServerState } from '../../config/server-state-file.js';
import type { SocketAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { ServerAdmin, ServerOperation } from '../../shared/server-state.js';
import type { Backend } from '../backend.js';
import type { Server } from '../server.js';
import { parseAgentReply } from './agent-reply.js';
import { type CheckResult, CheckStatus, describeResult, verdictOf } from './check-status.js';
import { Health } from './health.js';
import {
	backLine,
	checkLine,
	downAndMaintenanceLine,
	downLine,
	drainLine,
	Level,
	maintenanceLine,
	noServerLine,
	standingOf,
	stillInLine,
	stoppingLine,
	upLine,
} from './state-lines.js';

/** What a monitor may do beyond its server. */
export interface MonitorHost {
	log(backend: Backend, level: number, line: string): void;
	/** Some server's state, weight or limit is another: the data threads look again. */
	changed(backend: Backend): void;
	/** The streams of a server are ended: it went down (`D`), or a better one came up (`U`). */
	shutdownSessions(backend: Backend, server: Server, cause: 'D' | 'U'): void;
	/** For the columns `chkfail` and `hanafail`: a check failed, or so many errors of the traffic counted as one. */
	failed?(backend: Backend, server: Server, by: 'check' | 'traffic'): void;
	/** A check could not connect in time: perhaps its name leads elsewhere now. */
	unreachable?(server: Server): void;
}

/** Where an agent is asked, and with what; `set server` of the runtime API changes it. */
export interface AgentEndpoint {
	/** Undefined: the server's own address. */
	host: string | undefined;
	port: number;
	send: string | undefined;
}

/** Where a server is checked; undefined: where its traffic goes. */
export interface CheckEndpoint {
	host: string | undefined;
	port: number | undefined;
}

/** Steps of a slow start, and the shortest one. */
const WARMUP_STEPS = 20;
const WARMUP_STEP_MIN_MS = 50;

const MAINT = ServerAdmin.FORCED_MAINT | ServerAdmin.INHERITED_MAINT | ServerAdmin.RESOLUTION_MAINT;
const DRAIN = ServerAdmin.FORCED_DRAIN | ServerAdmin.INHERITED_DRAIN;
const INHERITED = ServerAdmin.INHERITED_MAINT | ServerAdmin.INHERITED_DRAIN;

export class ServerMonitor {
	readonly backend: Backend;
	readonly server: Server;
	readonly health: Health;
	readonly agentHealth = new Health(1, 1, 1);
	/** Of the last check that ended; undefined: not yet checked. */
	lastResult: CheckResult | undefined;
	lastAgentResult: CheckResult | undefined;
	/** Checks are done; `disable health` of the runtime API turns them off. */
	checksEnabled: boolean;
	agentEnabled: boolean;
	readonly agentEndpoint: AgentEndpoint;
	readonly checkEndpoint: CheckEndpoint;
	/** Asked for by `on-error`: the next check comes after `fastinter`. */
	hurried = false;
	/** What `hurried` asks for is done by the checker at once. */
	onHurry: (() => void) | undefined;
	readonly #followers: ServerMonitor[] = [];
	#leader: ServerMonitor | undefined;
	readonly #clock: Clock;
	readonly #host: MonitorHost;
	#warmupTimer: Timer | undefined;
	#warmupStartMs = 0;

	constructor(backend: Backend, server: Server, clock: Clock, host: MonitorHost) {
		const { model } = server;
		const { rise, fall, health } = model;
		this.backend = backend;
		this.server = server;
		this.#clock = clock;
		this.#host = host;
		this.checksEnabled = model.check;
		this.agentEnabled = health.agentCheck;
		const { agent, checkAddress, checkPort } = health;
		this.agentEndpoint = { host: hostOf(agent.address), port: agent.port, send: agent.send };
		this.checkEndpoint = { host: hostOf(checkAddress), port: checkPort };
		const { lastState } = model;
		const known = lastState === undefined || !model.check ? undefined : lastHealth(lastState, rise, fall);
		this.health = new Health(rise, fall, known ?? initialHealth(health.initState, rise, fall));
	}

	/** Servers of `track` lines follow this one. */
	addFollower(follower: ServerMonitor): void {
		this.#followers.push(follower);
		follower.#leader = this;
	}

	removeFollower(follower: ServerMonitor): void {
		const at = this.#followers.indexOf(follower);
		if (at >= 0) this.#followers.splice(at, 1);
	}

	/** Puts the state a server starts with into the shared memory: most start up. */
	begin(): void {
		const { states, index } = this.server;
		for (const { server } of this.#chain()) {
			const inherited = this.isInMaintenance ? ServerAdmin.INHERITED_MAINT : 0;
			server.states.setAdmin(server.index, server.states.admin(server.index) | inherited, this.#clock.monotonicMs());
		}
		const up = this.health.isUp && this.agentHealth.isUp;
		if (up || !this.server.model.check) return;
		states.setOperation(index, ServerOperation.DOWN, this.#clock.monotonicMs());
	}

	/** All that follow this one, and those that follow them. */
	*#chain(): Iterable<ServerMonitor> {
		for (const follower of this.#followers) {
			yield follower;
			yield* follower.#chain();
		}
	}

	/**
	 * Takes over what another generation knows of the same server, so that a reload neither raises the dead nor
	 * forgets that a server was found well.
	 */
	takeOver(former: ServerMonitor): void {
		const { states, index } = this.server;
		const theirs = former.server.states;
		const nowMs = this.#clock.monotonicMs();
		if (this.server.model.check && former.server.model.check) {
			this.lastResult = former.lastResult;
			if (former.lastResult !== undefined) {
				const full = former.health.rise + former.health.fall - 1;
				if (former.health.value === full) this.health.fill();
				else if (former.health.isUp)
					this.health.value = Math.min(
						this.health.rise + former.health.value - former.health.rise,
						this.health.rise + this.health.fall - 1,
					);
				else this.health.value = Math.min(former.health.value, this.health.rise - 1);
			}
		}
		if (this.server.model.health.agentCheck && former.server.model.health.agentCheck) {
			this.lastAgentResult = former.lastAgentResult;
			this.agentHealth.value = former.agentHealth.value;
			const agents = ServerAdmin.FORCED_MAINT | ServerAdmin.FORCED_DRAIN;
			states.setAdmin(index, states.admin(index) | (theirs.admin(former.server.index) & agents), nowMs);
			const weight = theirs.weight(former.server.index);
			if (former.server.initialWeight === this.server.initialWeight) states.setWeight(index, weight);
			if (former.server.model.maxconn === this.server.model.maxconn) {
				states.setMaxconn(index, theirs.maxconn(former.server.index));
			}
		}
		states.setOperation(index, theirs.operation(former.server.index), nowMs);
	}

	get isRunning(): boolean {
		return this.server.isRunning();
	}

	get isInMaintenance(): boolean {
		const { states, index } = this.server;
		return states.isInMaintenance(index);
	}

	/** A health check has ended. */
	checked(result: CheckResult): void {
		if (!this.checksEnabled || this.isInMaintenance) return;
		if (result.status === CheckStatus.L4TOUT) this.#host.unreachable?.(this.server);
		const verdict = verdictOf(result.status);
		const isNews = this.lastResult?.status !== result.status;
		this.lastResult = result;
		// A server that is down can fail no more: what counts is what takes it there.
		if (verdict === 'failed' && this.health.value > 0) this.#host.failed?.(this.backend, this.server, 'check');
		// A server that is down is not brought up by half a success.
		if (verdict === 'conditional' && !this.health.isUp) return;
		const healthChanged = verdict === 'failed' ? this.health.fail() : this.health.succeed();
		if (isNews || healthChanged) this.#logCheck('Health', result, this.health.toString());
		const isStopping = this.server.states.operation(this.server.index) === ServerOperation.STOPPING;
		// One failure of several says nothing about a server that drains.
		this.#settle(verdict === 'conditional' || (verdict === 'failed' && isStopping), this.#reason(result));
	}

	/** Without `option log-health-checks` the line of the state tells what check led to it. */
	#reason(result: CheckResult): string {
		return this.backend.model.options.logHealthChecks ? '' : describeResult(result);
	}

	#logCheck(kind: 'Health' | 'Agent', result: CheckResult, health: string): void {
		if (!this.backend.model.options.logHealthChecks) return;
		this.#host.log(this.backend, Level.NOTICE, checkLine(kind, this.server, result, health));
	}

	/** The agent could not be asked: no fault of the server (manual, `agent-check`). */
	agentFailed(result: CheckResult): void {
		const isNews = this.lastAgentResult?.status !== result.status;
		this.lastAgentResult = result;
		if (isNews) this.#logCheck('Agent', result, this.agentHealth.toString());
	}

	/** The agent's line. */
	agentReplied(text: string, durationMs: number): void {
		if (!this.agentEnabled) return;
		const reply = parseAgentReply(text);
		const { states, index } = this.server;
		if (reply.weightPercent !== undefined) {
			const weight = Math.min(256, Math.ceil((this.server.initialWeight * reply.weightPercent) / 100));
			if (states.weight(index) !== weight) {
				const wasServing = states.isUsable(index) && states.weight(index) > 0;
				states.setWeight(index, weight);
				this.#changed(wasServing);
			}
		}
		if (reply.maxconn !== undefined && states.maxconn(index) !== reply.maxconn) {
			states.setMaxconn(index, reply.maxconn);
			this.#host.changed(this.backend);
		}
		if (reply.admin !== undefined) this.#administer(reply.admin);
		if (this.isInMaintenance) return;
		const state = reply.state ?? (this.agentHealth.isUp ? 'up' : undefined);
		if (state === undefined) return;
		const isUp = state === 'up';
		const description = reply.description === '' || isUp ? '' : ` (${reply.description})`;
		const result: CheckResult = {
			status: isUp ? CheckStatus.L7OK : CheckStatus.L7STS,
			code: 0,
			info: `via agent : ${state}${description}`,
			durationMs,
		};
		const isNews = this.lastAgentResult?.status !== result.status;
		this.lastAgentResult = result;
		const healthChanged = isUp ? this.agentHealth.succeed() : this.agentHealth.fail();
		// A reply about weight or drain alone says nothing new of the health.
		const isNamed = reply.state !== undefined;
		if ((isNews && isNamed) || healthChanged) this.#logCheck('Agent', result, this.agentHealth.toString());
		this.#settle(false, this.#reason(result));
	}

	/** `set server ... agent up|down`: as if the agent had said so. */
	forceAgent(isUp: boolean): void {
		this.agentHealth.value = isUp ? this.agentHealth.rise + this.agentHealth.fall - 1 : 0;
		this.#become(isUp ? ServerOperation.UP : ServerOperation.DOWN, ', changed from CLI');
	}

	/**
	 * `set server ... health`: as if the checks had said so. In maintenance nobody is asked. A form of the statistics page
	 * has put it into shared memory already, and tells what it was before.
	 */
	forceHealth(operation: ServerOperation, former?: ServerOperation): void {
		if (this.isInMaintenance) return;
		this.health.value = operation === ServerOperation.DOWN ? 0 : this.health.rise + this.health.fall - 1;
		this.#become(operation, ', changed from CLI', former);
	}

	/** As an agent says it. */
	#administer(word: 'ready' | 'drain' | 'maint'): void {
		const flags = this.server.states.admin(this.server.index);
		if (word === 'maint') this.administer(flags | ServerAdmin.FORCED_MAINT);
		else if (word === 'drain') this.administer(flags | ServerAdmin.FORCED_DRAIN);
		else this.administer(flags & ~(ServerAdmin.FORCED_MAINT | ServerAdmin.FORCED_DRAIN));
	}

	/**
	 * Another administrative state, by the runtime API, the agent, or the server that this one follows, which is then its
	 * `cause`.
	 */
	administer(flags: number, cause = ''): void {
		const { states, index } = this.server;
		const former = states.admin(index);
		if (former === flags) return;
		const operation = states.operation(index);
		states.setAdmin(index, flags, this.#clock.monotonicMs());
		this.administered(former, operation, cause);
	}

	/**
	 * What follows from another administrative state that shared memory has already: by `administer`, or by a form of the
	 * statistics page. `former` and `operation` are of before.
	 */
	administered(former: number, operation: ServerOperation, cause = ''): void {
		const { backend, server } = this;
		const { states, index } = server;
		const flags = states.admin(index);
		const wasIn = (former & MAINT) !== 0;
		const isIn = this.isInMaintenance;
		const wasDraining = (former & DRAIN) !== 0;
		const isDraining = states.isDraining(index);
		const isUp = operation !== ServerOperation.DOWN;
		if (isIn && !wasIn) {
			this.#endWarmUp();
			if (isUp) {
				this.#log(this.#levelOfLeaving(operation, wasDraining), maintenanceLine(backend, server, cause));
				if (server.model.health.shutdownWhenDown) this.#host.shutdownSessions(backend, server, 'D');
			} else this.#log(Level.NOTICE, downAndMaintenanceLine(server, cause));
		} else if (wasIn && !isIn) {
			this.#comeBack();
			const state = states.operation(index) === ServerOperation.DOWN ? 'DOWN' : 'UP';
			const left = (former & ServerAdmin.FORCED_MAINT) !== 0 ? 'forced maintenance' : 'maintenance';
			this.#log(Level.NOTICE, backLine(server, `${state}/${isDraining ? 'DRAIN' : 'READY'}`, left));
			if ((flags & ServerAdmin.FORCED_DRAIN) !== 0) this.#log(Level.NOTICE, stillInLine(server, 'drain mode'));
		} else if (isIn) {
			if ((former & ~flags & ServerAdmin.INHERITED_MAINT) !== 0) {
				this.#log(Level.NOTICE, stillInLine(server, 'maintenance'));
			}
		} else if (isDraining && !wasDraining) {
			this.#log(Level.NOTICE, drainLine(backend, server, cause, isUp));
		} else if (wasDraining && !isDraining) {
			this.#log(Level.NOTICE, backLine(server, isUp ? 'UP' : 'DOWN', 'forced drain'));
		} else if (((former ^ flags) & ServerAdmin.INHERITED_DRAIN) !== 0) {
			this.#log(Level.NOTICE, stillInLine(server, 'drain mode'));
		}
		this.#changed(operation === ServerOperation.UP && !wasIn && !wasDraining);
		const via = ` via ${backend.name}/${server.name}`;
		for (const follower of this.#followers) follower.administer(follower.#inherited(this), via);
	}

	/** The flags of this server when it follows `leader`. */
	#inherited({ server: { states, index }, isInMaintenance }: ServerMonitor): number {
		const own = this.server.states.admin(this.server.index) & ~INHERITED;
		return (
			own |
			(isInMaintenance ? ServerAdmin.INHERITED_MAINT : 0) |
			(states.isDraining(index) ? ServerAdmin.INHERITED_DRAIN : 0)
		);
	}

	/** Out of maintenance: up until a check says otherwise, as after the start, or as the server that this one follows. */
	#comeBack(): void {
		const { states, index } = this.server;
		for (const health of [this.health, this.agentHealth]) if (!health.isUp) health.value = health.rise;
		const leader = this.#leader?.server;
		const operation = leader === undefined ? ServerOperation.UP : leader.states.operation(leader.index);
		states.setOperation(index, operation, this.#clock.monotonicMs());
		if (operation === ServerOperation.UP) this.#warmUp();
	}

	/** A server that was stopping or draining was expected to leave. */
	#levelOfLeaving(operation: ServerOperation, wasDraining: boolean): number {
		return operation === ServerOperation.UP && !wasDraining ? Level.ALERT : Level.NOTICE;
	}

	/** A data thread has seen `error-limit` errors in a row (manual, 5.2 `observe`). */
	observedErrors(description: string): void {
		if (!this.checksEnabled || this.isInMaintenance) return;
		const { onError, errorLimit } = this.server.model.health;
		const result: CheckResult = {
			status: CheckStatus.HANA,
			code: 0,
			info: `Detected ${errorLimit} consecutive errors, last one was: ${description}`,
			durationMs: -1,
		};
		this.hurried = true;
		this.#host.failed?.(this.backend, this.server, 'traffic');
		if (onError !== 'fastinter') {
			this.lastResult = result;
			if (onError === 'sudden-death') this.health.weaken();
			if (onError === 'mark-down') this.health.value = Math.min(this.health.value, this.health.rise);
			const changed = this.health.fail();
			if (changed) this.#logCheck('Health', result, this.health.toString());
			this.#settle(false, this.#reason(result));
		}
		this.onHurry?.();
	}

	/** The state that follows from both kinds of health. */
	#settle(stopping: boolean, reason: string): void {
		const isUp = this.health.isUp && this.agentHealth.isUp;
		const operation = !isUp ? ServerOperation.DOWN : stopping ? ServerOperation.STOPPING : ServerOperation.UP;
		this.#become(operation, reason);
	}

	#become(operation: ServerOperation, cause: string, known?: ServerOperation): void {
		const { backend, server } = this;
		const { states, index } = server;
		const former = known ?? states.operation(index);
		if (former === operation) return;
		const isDraining = states.isDraining(index);
		const wasServing = former === ServerOperation.UP && !isDraining && !this.isInMaintenance;
		states.setOperation(index, operation, this.#clock.monotonicMs());
		if (former === ServerOperation.DOWN && operation === ServerOperation.UP) this.#warmUp();
		if (operation === ServerOperation.DOWN) this.#endWarmUp();
		const { shutdownWhenDown, shutdownBackupsWhenUp } = server.model.health;
		switch (operation) {
			case ServerOperation.DOWN:
				this.#log(this.#levelOfLeaving(former, isDraining), downLine(backend, server, cause));
				if (shutdownWhenDown) this.#host.shutdownSessions(backend, server, 'D');
				break;
			case ServerOperation.UP:
				this.#log(Level.NOTICE, upLine(backend, server, cause));
				if (shutdownBackupsWhenUp && !server.backup && server.effectiveWeight() > 0) {
					for (const other of backend.servers) if (other.backup) this.#host.shutdownSessions(backend, other, 'U');
				}
				break;
			case ServerOperation.STOPPING:
				this.#log(Level.NOTICE, stoppingLine(backend, server, cause));
				break;
		}
		if (isDraining && operation !== ServerOperation.STOPPING) {
			this.#log(Level.NOTICE, stillInLine(server, 'drain mode'));
		}
		this.#changed(wasServing);
		for (const follower of this.#followers) follower.#become(operation, ` via ${backend.name}/${server.name}`);
	}

	#log(level: number, line: string): void {
		this.#host.log(this.backend, level, line);
	}

	/** `wasServing`: this server was given traffic until now. */
	#changed(wasServing: boolean): void {
		const { active, backup } = standingOf(this.backend);
		if (wasServing && active + backup === 0) {
			this.#log(Level.EMERG, noServerLine(this.backend));
		}
		this.#host.changed(this.backend);
	}

	// Slow start (manual, 5.2 `slowstart`)

	#warmUp(): void {
		if (this.server.model.health.slowstartMs === 0) return;
		this.#warmupStartMs = this.#clock.monotonicMs();
		this.#warmupTimer?.cancel();
		this.#stepWarmUp();
	}

	readonly #stepWarmUp = (): void => {
		const { slowstartMs } = this.server.model.health;
		const { states, index } = this.server;
		const percent = Math.floor(((this.#clock.monotonicMs() - this.#warmupStartMs) * 100) / slowstartMs);
		if (percent >= 100) {
			this.#endWarmUp();
		} else {
			states.setWarmup(index, Math.max(1, percent));
			const stepMs = Math.max(WARMUP_STEP_MIN_MS, Math.ceil(slowstartMs / WARMUP_STEPS));
			this.#warmupTimer = this.#clock.setTimer(this.#stepWarmUp, stepMs);
		}
		this.#host.changed(this.backend);
	};

	#endWarmUp(): void {
		this.#warmupTimer?.cancel();
		this.#warmupTimer = undefined;
		this.server.states.setWarmup(this.server.index, 0);
	}

	stop(): void {
		this.#warmupTimer?.cancel();
		this.#warmupTimer = undefined;
	}
}

function hostOf(address: SocketAddress | undefined): string | undefined {
	return address?.kind === 'ip' ? address.address : undefined;
}

function initialHealth(state: string, rise: number, fall: number): number {
	switch (state) {
		case 'fully-up':
			return rise + fall - 1;
		case 'down':
			return rise - 1;
		case 'fully-down':
			return 0;
		default:
			return rise;
	}
}

/** As a state file says, and not at odds with whether the server was up. */
function lastHealth({ isStopped, checkHealth }: LastServerState, rise: number, fall: number): number {
	return isStopped ? Math.min(checkHealth, rise - 1) : Math.min(Math.max(checkHealth, rise), rise + fall - 1);
}
