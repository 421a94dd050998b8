/**
 * What an agent says of its server (manual, 5.2 `agent-check`): words up to the first line end, separated by
 * spaces, tabs or commas, in any order. Words nobody knows are passed over: agents of later versions may
 * say more.
 */
export interface AgentReply {
	/** Percent of the configured weight. */
	readonly weightPercent: number | undefined;
	readonly maxconn: number | undefined;
	readonly admin: 'ready' | 'drain' | 'maint' | undefined;
	readonly state: 'up' | 'down' | 'fail' | 'stopped' | undefined;
	/** What follows `#`. */
	readonly description: string;
}

export function parseAgentReply(text: string): AgentReply {
	const line = text.split(/[\r\n]/, 1)[0] ?? '';
	const hash = line.indexOf('#');
	const words = (hash < 0 ? line : line.slice(0, hash)).split(/[ \t,]+/);
	let weightPercent: number | undefined;
	let maxconn: number | undefined;
	let admin: AgentReply['admin'];
	let state: AgentReply['state'];
	for (const word of words) {
		switch (word) {
			case 'ready':
			case 'drain':
			case 'maint':
				admin = word;
				break;
			case 'up':
			case 'down':
			case 'fail':
			case 'stopped':
				state = word;
				break;
			default:
				if (/^\d{1,5}%$/.test(word)) weightPercent = Number(word.slice(0, -1));
				else if (/^maxconn:\d{1,9}$/.test(word)) maxconn = Number(word.slice(8));
		}
	}
	return { weightPercent, maxconn, admin, state, description: hash < 0 ? '' : line.slice(hash + 1).trim() };
}
