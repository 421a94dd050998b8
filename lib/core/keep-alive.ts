/**
 * TCP keep-alive (manual, 4.2 `option clitcpka`, `option srvtcpka`): how long a connection rests before the system probes
 * whether the other side is still there. libuv, which Node stands on, wants that time spelled out, so where the
 * configuration leaves it to the system the system is asked; the probes that follow have libuv's own pace.
 */
import { readFileSync } from 'node:fs';

const DEFAULT_IDLE_S = 7200;
let systemIdleS: number | undefined;

/** Seconds, at least one. `idleMs` undefined: the system's own. */
export function keepAliveIdleS(idleMs: number | undefined): number {
	if (idleMs !== undefined) return Math.max(1, Math.floor(idleMs / 1000));
	systemIdleS ??= readSystemIdle();
	return systemIdleS;
}

function readSystemIdle(): number {
	try {
		return Number.parseInt(readFileSync('/proc/sys/net/ipv4/tcp_keepalive_time', 'latin1'), 10) || DEFAULT_IDLE_S;
	} catch {
		return DEFAULT_IDLE_S;
	}
}
