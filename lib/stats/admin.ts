/**
 * The actions of the page's forms (manual, 4.2 `stats admin`): a POST with HAProxy's fields `b` (the backend, by name
 * or as `#id`), `action`, and `s` once for each server. The answer is always a redirect back to the page that says
 * what became of it in four letters.
 *
 * States are changed in shared memory at once, so the page that follows shows them; the other threads are told so that
 * requests that wait get their turn.
 */
import type { Server } from '../backend/server.js';
import type { Clock } from '../core/clock.js';
import { ServerAdmin, ServerOperation } from '../shared/server-state.js';
import type { BackendTraffic } from '../stream/proxies.js';
import { unescapeTarget } from './page-options.js';

/** `DONE` all, `PART` some, `NONE` nothing to do, `ERRP` cannot be understood, `EXCD` too long, `DENY` not allowed. */
export type Outcome = 'DONE' | 'PART' | 'NONE' | 'ERRP' | 'EXCD' | 'DENY';

/** What other threads have to do for an action. */
export interface AdminEffects {
	serversChanged(backend: string): void;
	shutDownSessions(backend: string, server: string): void;
	setCheckEnabled(backend: string, server: string, enabled: boolean): void;
	/** The administrative state is another than these flags, which go with that operational state: what follows from it. */
	administered(backend: string, server: string, former: number, operation: ServerOperation): void;
	/** The operational state has been forced to another than `former`. */
	healthForced(backend: string, server: string, operation: ServerOperation, former: ServerOperation): void;
}

/** The same as a message to the control thread, which reaches all others. */
export type AdminMessage =
	| { readonly kind: 'servers-changed'; readonly backend: string }
	| { readonly kind: 'shutdown-sessions'; readonly backend: string; readonly server: string }
	| { readonly kind: 'check-enabled'; readonly backend: string; readonly server: string; readonly enabled: boolean }
	| {
			readonly kind: 'administered';
			readonly backend: string;
			readonly server: string;
			readonly former: number;
			readonly operation: ServerOperation;
	  }
	| {
			readonly kind: 'health-forced';
			readonly backend: string;
			readonly server: string;
			readonly operation: ServerOperation;
			readonly former: ServerOperation;
	  };

export function effectsByMessage(tell: (message: AdminMessage) => void): AdminEffects {
	return {
		serversChanged: (backend) => tell({ kind: 'servers-changed', backend }),
		shutDownSessions: (backend, server) => tell({ kind: 'shutdown-sessions', backend, server }),
		setCheckEnabled: (backend, server, enabled) => tell({ kind: 'check-enabled', backend, server, enabled }),
		administered: (backend, server, former, operation) =>
			tell({ kind: 'administered', backend, server, former, operation }),
		healthForced: (backend, server, operation, former) =>
			tell({ kind: 'health-forced', backend, server, operation, former }),
	};
}

interface ActionContext {
	readonly server: Server;
	readonly nowMs: number;
	readonly effects: AdminEffects;
}

/** True: it was applied; false: there was nothing to apply it to. */
type Apply = (context: ActionContext) => boolean;

const MAINTENANCE = ServerAdmin.FORCED_MAINT | ServerAdmin.CONFIG_MAINT;

/** Sets and clears flags; applied even if they were so before. */
const administrative =
	(set: number, clear: number): Apply =>
	({ server, nowMs, effects }) => {
		const { states, index } = server;
		const former = states.admin(index);
		const flags = (former & ~clear) | set;
		if (flags === former) return true;
		const operation = states.operation(index);
		states.setAdmin(index, flags, nowMs);
		effects.administered(server.backendName, server.name, former, operation);
		return true;
	};

const operational =
	(operation: ServerOperation): Apply =>
	({ server, nowMs, effects }) => {
		const { states, index } = server;
		const former = states.operation(index);
		if (former === operation || states.isInMaintenance(index)) return true;
		states.setOperation(index, operation, nowMs);
		effects.healthForced(server.backendName, server.name, operation, former);
		return true;
	};

const check =
	(enabled: boolean): Apply =>
	({ server, effects }) => {
		if (!server.model.check) return false;
		effects.setCheckEnabled(server.backendName, server.name, enabled);
		return true;
	};

/** Only if it changes something: the words of old forms. */
const onlyIf =
	(isDue: (admin: number) => boolean, apply: Apply): Apply =>
	(context) =>
		isDue(context.server.states.admin(context.server.index)) && apply(context);

const nothing: Apply = () => false;

interface AdminAction {
	/** The words of the form; undefined: understood, and no longer offered. */
	readonly label?: string;
	readonly apply: Apply;
}

export const ADMIN_ACTIONS: ReadonlyMap<string, AdminAction> = new Map<string, AdminAction>([
	['ready', { label: 'Set state to READY', apply: administrative(0, MAINTENANCE | ServerAdmin.FORCED_DRAIN) }],
	['drain', { label: 'Set state to DRAIN', apply: administrative(ServerAdmin.FORCED_DRAIN, MAINTENANCE) }],
	['maint', { label: 'Set state to MAINT', apply: administrative(ServerAdmin.FORCED_MAINT, 0) }],
	['dhlth', { label: 'Health: disable checks', apply: check(false) }],
	['ehlth', { label: 'Health: enable checks', apply: check(true) }],
	['hrunn', { label: 'Health: force UP', apply: operational(ServerOperation.UP) }],
	['hnolb', { label: 'Health: force NOLB', apply: operational(ServerOperation.STOPPING) }],
	['hdown', { label: 'Health: force DOWN', apply: operational(ServerOperation.DOWN) }],
	// There are no agents: as with a server of HAProxy that has none.
	['dagent', { apply: nothing }],
	['eagent', { apply: nothing }],
	['arunn', { apply: nothing }],
	['adown', { apply: nothing }],
	[
		'shutdown',
		{
			label: 'Kill Sessions',
			apply: ({ server, effects }) => {
				effects.shutDownSessions(server.backendName, server.name);
				return true;
			},
		},
	],
	['enable', { apply: onlyIf((admin) => (admin & ServerAdmin.FORCED_MAINT) !== 0, administrative(0, MAINTENANCE)) }],
	[
		'disable',
		{
			apply: onlyIf((admin) => (admin & ServerAdmin.FORCED_MAINT) === 0, administrative(ServerAdmin.FORCED_MAINT, 0)),
		},
	],
	[
		'start',
		{
			apply: onlyIf((admin) => (admin & ServerAdmin.FORCED_DRAIN) !== 0, administrative(0, ServerAdmin.FORCED_DRAIN)),
		},
	],
	[
		'stop',
		{
			apply: onlyIf((admin) => (admin & ServerAdmin.FORCED_DRAIN) === 0, administrative(ServerAdmin.FORCED_DRAIN, 0)),
		},
	],
]);

/** Applies the fields of a form; `body` is its text, a byte string. */
export function applyForm(
	body: string,
	backends: ReadonlyMap<string, BackendTraffic>,
	effects: AdminEffects,
	clock: Clock,
): Outcome {
	let [backendName, actionName]: (string | undefined)[] = [];
	const serverNames: string[] = [];
	for (const field of body.split('&')) {
		const equals = field.indexOf('=');
		if (equals < 0) continue;
		const value = unescapeTarget(field.slice(equals + 1));
		switch (field.slice(0, equals)) {
			case 'b':
				backendName = value;
				break;
			case 'action':
				actionName = value;
				break;
			case 's':
				serverNames.push(value);
				break;
		}
	}
	const action = actionName === undefined ? undefined : ADMIN_ACTIONS.get(actionName);
	if (actionName !== undefined && action === undefined) return 'ERRP';
	const traffic = backendName === undefined ? undefined : findBackend(backendName, backends);
	if (backendName !== undefined && traffic === undefined) return 'ERRP';
	if (action === undefined || traffic === undefined || serverNames.length === 0) return 'NONE';

	let [applied, unknown] = [0, 0];
	const nowMs = clock.monotonicMs();
	for (const name of serverNames) {
		const server = traffic.backend.serverByName(name);
		if (server === undefined) unknown++;
		else if (action.apply({ server, nowMs, effects })) applied++;
	}
	if (applied > 0) effects.serversChanged(traffic.model.name);
	if (unknown > 0) return unknown === serverNames.length ? 'ERRP' : 'PART';
	return applied > 0 ? 'DONE' : 'NONE';
}

function findBackend(name: string, backends: ReadonlyMap<string, BackendTraffic>): BackendTraffic | undefined {
	if (!name.startsWith('#')) return backends.get(name);
	const id = Number(name.slice(1));
	for (const traffic of backends.values()) if (traffic.model.id === id) return traffic;
	return undefined;
}
