/**
 * `tcp-request connection` and `tcp-request session` rules: they run when a connection has been accepted, before
 * a byte of it is read and before it costs more than a session object. What they track is tracked for the
 * whole connection.
 *
 * Rules are written against a stream, so a stream stands in for the connection here: one that has no request,
 * no engine, and whose trackers are the session's.
 */
import type { IpAddress } from '../core/address.js';
import { Verdict } from '../rules/verdict.js';
import type { EntryRef, StickTable } from '../stick-table/table.js';
import { TrackedCounter } from '../stick-table/tracked-counter.js';
import type { Exchange } from './exchange.js';
import type { Session } from './session.js';
import { Stream } from './stream.js';
import { countOn } from './trackers.js';

/** Nothing may be sent or forwarded before the connection is served. */
const NO_EXCHANGE: Exchange = {
	canReplay: true,
	requestBuffer: undefined,
	requestBufferComplete: true,
	responseBuffer: undefined,
	responseBufferComplete: true,
	serverSideAddress: undefined,
	serverSidePort: undefined,
	serverSideTls: undefined,
	forward() {},
	respond() {},
	respondLocally() {},
	reply() {},
	bufferRequestBody() {},
	bufferResponseBody() {},
	sendInterim() {},
	abort() {},
};

class ConnectionStream extends Stream {
	override track(index: number, table: StickTable, entry: EntryRef): void {
		const tracked = new TrackedCounter(table, entry);
		if (!this.session.track(index, tracked)) tracked.close(this.nowMs);
	}

	/** Here the connection itself gets other addresses, for all of its streams. */
	override setSource(address: IpAddress, port: number | undefined): void {
		this.session.setSource(address, port);
	}

	override setDestination(address: IpAddress, port: number | undefined): void {
		this.session.setDestination(address, port);
	}
}

/** What became of a new connection. */
export const Admission = { ACCEPTED: 0, DENIED_CONNECTION: 1, DENIED_SESSION: 2 } as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

export interface AdmissionResult {
	readonly admission: Admission;
	/** `silent-drop`: the client is not told. */
	readonly silent: boolean;
}

const ACCEPTED: AdmissionResult = { admission: Admission.ACCEPTED, silent: false };

/** A stream that stands for a connection which never had one, for its log line. */
export function streamOfConnection(session: Session): Stream {
	return new ConnectionStream(session, NO_EXCHANGE, undefined, session.acceptedMs, session.acceptedMs);
}

/** `tcp-request connection` rules alone: before the PROXY protocol header and TLS. */
export function admitConnection(session: Session): AdmissionResult {
	const { rules } = session.frontend;
	if (rules.tcpRequestConnection.length === 0) return ACCEPTED;
	const nowMs = session.acceptedMs;
	const stream = new ConnectionStream(session, NO_EXCHANGE, undefined, nowMs, nowMs);
	if (isAdmitted(rules.tcpRequestConnection.evaluate(stream, 0))) return ACCEPTED;
	session.thread.refusals?.note(stream);
	return { admission: Admission.DENIED_CONNECTION, silent: stream.silent };
}

/** `tcp-request session` rules alone, and the count of the session: what follows `admitConnection`. */
export function admitSession(session: Session): AdmissionResult {
	const { rules } = session.frontend;
	const nowMs = session.thread.nowMs();
	if (rules.tcpRequestSession.length > 0) {
		const stream = new ConnectionStream(session, NO_EXCHANGE, undefined, nowMs, nowMs);
		if (!isAdmitted(rules.tcpRequestSession.evaluate(stream, 0))) {
			session.thread.refusals?.note(stream);
			return { admission: Admission.DENIED_SESSION, silent: stream.silent };
		}
	}
	for (const tracked of session.trackers) if (tracked !== undefined) countOn(tracked, 'session', 1, nowMs);
	return ACCEPTED;
}

/** Runs both rule sets, then counts the session on what they track. */
export function admit(session: Session): AdmissionResult {
	const { rules } = session.frontend;
	const nowMs = session.acceptedMs;
	if (rules.tcpRequestConnection.length > 0 || rules.tcpRequestSession.length > 0) {
		const stream = new ConnectionStream(session, NO_EXCHANGE, undefined, nowMs, nowMs);
		if (!isAdmitted(rules.tcpRequestConnection.evaluate(stream, 0))) {
			session.thread.refusals?.note(stream);
			return { admission: Admission.DENIED_CONNECTION, silent: stream.silent };
		}
		if (!isAdmitted(rules.tcpRequestSession.evaluate(stream, 0))) {
			session.thread.refusals?.note(stream);
			return { admission: Admission.DENIED_SESSION, silent: stream.silent };
		}
	}
	for (const tracked of session.trackers) if (tracked !== undefined) countOn(tracked, 'session', 1, nowMs);
	return ACCEPTED;
}

/** There is no more input to wait for at this point, so a rule that lacks some does not apply. */
function isAdmitted(verdict: Verdict): boolean {
	return verdict === Verdict.CONTINUE || verdict === Verdict.STOP || verdict === Verdict.YIELD;
}
