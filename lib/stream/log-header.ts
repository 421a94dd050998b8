/**
 * What stands before the text of a traffic log line, for each `format` of a `log` line (manual, 4.2 `log`;
 * RFC 3164, section 4.1; RFC 5424, section 6), byte for byte as HAProxy 2.6 was seen to write it. The
 * date is made once a second, the fraction once a millisecond: the clock here counts no microseconds, so
 * the last three digits are zeroes.
 */
import { LOG_FACILITIES } from '../config/keywords/log.js';
import type { LogTargetModel } from '../config/model.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** `Nov  3 04:03:21`, local time. */
function rfc3164Date(date: Date): string {
	const day = String(date.getDate()).padStart(2, ' ');
	return `${MONTHS[date.getMonth()]} ${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-23T04:03:21`, local time; the fraction and `offset` follow. */
function isoDate(date: Date): string {
	const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
	return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `+02:00`: how far local time is ahead of UTC. */
function offset(date: Date): string {
	const minutes = -date.getTimezoneOffset();
	const size = Math.abs(minutes);
	return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** The texts of one moment, shared by every line of it. */
class Stamp {
	#second = Number.NaN;
	#millisecond = Number.NaN;
	#legacy = '';
	#isoHead = '';
	#isoOffset = '';
	#iso = '';

	#turn(wallMs: number): void {
		const second = Math.floor(wallMs / 1000);
		if (second === this.#second) return;
		const date = new Date(wallMs);
		this.#second = second;
		this.#legacy = rfc3164Date(date);
		this.#isoHead = isoDate(date);
		this.#isoOffset = offset(date);
	}

	legacy(wallMs: number): string {
		this.#turn(wallMs);
		return this.#legacy;
	}

	iso(wallMs: number): string {
		if (wallMs === this.#millisecond) return this.#iso;
		this.#turn(wallMs);
		this.#millisecond = wallMs;
		this.#iso = `${this.#isoHead}.${String(Math.floor(wallMs % 1000)).padStart(3, '0')}000${this.#isoOffset}`;
		return this.#iso;
	}
}

const stamp = new Stamp();

/** A moment as log lines write it. */
export function presentTime(wallMs: number): { legacy(): string; iso(): string } {
	return { legacy: () => stamp.legacy(wallMs), iso: () => stamp.iso(wallMs) };
}

export interface LogIdentity {
	/** `log-tag`, by default the program's name. */
	readonly tag: string;
	readonly pid: number;
	/** `log-send-hostname`; undefined: `localhost` in RFC 3164 and nothing in RFC 5424. */
	readonly hostname: string | undefined;
}

export type WriteHeader = (level: number, wallMs: number) => string;

/** Makes the header of a format; `level` is a syslog severity, 0 to 7. */
export function logHeader(format: LogTargetModel['format'], facility: string, identity: LogIdentity): WriteHeader {
	const { tag, pid, hostname } = identity;
	const facilityBits = (LOG_FACILITIES as readonly string[]).indexOf(facility) * 8;
	switch (format) {
		case 'local':
			return (level, wallMs) => `<${facilityBits + level}>${stamp.legacy(wallMs)} ${tag}[${pid}]: `;
		case 'rfc3164': {
			const host = hostname ?? 'localhost';
			return (level, wallMs) => `<${facilityBits + level}>${stamp.legacy(wallMs)} ${host} ${tag}[${pid}]: `;
		}
		case 'rfc5424': {
			const rest = ` ${hostname ?? '-'} ${tag} ${pid} - - `;
			return (level, wallMs) => `<${facilityBits + level}>1 ${stamp.iso(wallMs)}${rest}`;
		}
		case 'priority':
			return (level) => `<${facilityBits + level}>`;
		case 'short':
			return (level) => `<${level}>`;
		case 'timed':
			return (level, wallMs) => `<${level}>${stamp.iso(wallMs)} `;
		case 'iso':
			return (_, wallMs) => `${stamp.iso(wallMs)} `;
		case 'raw':
			return () => '';
	}
}

/** Header and text cut to `len`, and the newline, which does not count. */
export function cutLine(header: string, text: string, lengthBytes: number): string {
	const whole = header + text;
	return `${whole.length > lengthBytes ? whole.slice(0, lengthBytes) : whole}\n`;
}
