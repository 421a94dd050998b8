/** The eight syslog levels by severity, 0 first (RFC 5424, table 2; manual, `log`). */
export const LOG_LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
