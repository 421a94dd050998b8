/**
 * The log lines of a server's life, in the words of the reference: operators grep for them.
 */
import type { Backend } from '../backend.js';
import type { Server } from '../server.js';
import { type CheckResult, describeResult, verdictOf } from './check-status.js';

/** Levels of syslog. */
export const Level = { EMERG: 0, ALERT: 1, NOTICE: 5 } as const;

const title = (server: Server): string =>
	`${server.backup ? 'Backup ' : ''}Server ${server.backendName}/${server.name}`;

interface Standing {
	readonly active: number;
	readonly backup: number;
}

/** Servers that may be given traffic. */
export function standingOf(backend: Backend): Standing {
	let active = 0;
	let backup = 0;
	for (const server of backend.servers) {
		if (!server.isUsable() || server.effectiveWeight() === 0) continue;
		if (server.backup) backup++;
		else active++;
	}
	return { active, backup };
}

function counts(backend: Backend, word: 'left' | 'online'): string {
	const { active, backup } = standingOf(backend);
	const onBackup = active === 0 && backup > 0 ? ' Running on backup.' : '';
	return `${active} active and ${backup} backup servers ${word}.${onBackup}`;
}

const leaving = (backend: Backend, server: Server): string =>
	`${counts(backend, 'left')} ${server.currentSessions()} sessions active, 0 requeued, ${server.queuedCount()} remaining in queue.`;
const joining = (backend: Backend, server: Server): string =>
	`${counts(backend, 'online')} 0 sessions requeued, ${server.queuedCount()} total in queue.`;

/** `cause`: ` via b/s`, or what describeResult says, or nothing. */
export const downLine = (backend: Backend, server: Server, cause: string): string =>
	`${title(server)} is DOWN${cause}. ${leaving(backend, server)}`;
export const upLine = (backend: Backend, server: Server, cause: string): string =>
	`${title(server)} is UP${cause}. ${joining(backend, server)}`;
export const stoppingLine = (backend: Backend, server: Server, cause: string): string =>
	`${title(server)} is stopping${cause}. ${joining(backend, server)}`;
/** A server that is down has nothing to join. */
export const drainLine = (backend: Backend, server: Server, cause: string, isUp: boolean): string =>
	`${title(server)} enters drain state${cause}. ${isUp ? joining(backend, server) : leaving(backend, server)}`;
export const maintenanceLine = (backend: Backend, server: Server, cause: string): string =>
	`${title(server)} is going DOWN for maintenance${cause}. ${leaving(backend, server)}`;
export const downAndMaintenanceLine = (server: Server, cause: string): string =>
	`${title(server)} was DOWN and now enters maintenance${cause}.`;
/** `state`: `UP/READY` and its kin after maintenance, `UP` or `DOWN` after draining. */
export const backLine = (server: Server, state: string, left: string): string =>
	`${title(server)} is ${state} (leaving ${left}).`;
export const stillInLine = (server: Server, mode: 'maintenance' | 'drain mode'): string =>
	`${title(server)} remains in forced ${mode}.`;

export function noServerLine(backend: Backend): string {
	return `${backend.model.kind === 'backend' ? 'backend' : 'proxy'} ${backend.name} has no server available!`;
}

/** `option log-health-checks`: one check, and where the server stands after it. */
export function checkLine(kind: 'Health' | 'Agent', server: Server, result: CheckResult, health: string): string {
	const verdict = verdictOf(result.status);
	const how = verdict === 'failed' ? 'failed' : verdict === 'conditional' ? 'conditionally succeeded' : 'succeeded';
	const who = `${server.backup ? 'backup ' : ''}server ${server.backendName}/${server.name}`;
	return `${kind} check for ${who} ${how}${describeResult(result)}, status: ${health}.`;
}
