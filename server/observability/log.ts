/** Structured logs. Never user content, tokens or connection strings: what could carry one is cut out here. */
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Default: standard error, so that a command's output stays its own. */
  readonly destination?: DestinationStream;
  /** Fields of every line, such as the instance. */
  readonly base?: { readonly [name: string]: string | number };
}

const secretFields = [
  "token",
  "authorization",
  "cookie",
  "password",
  "secret",
  "jwtSecret",
  "databaseUrl",
  "url",
];

/** A logger; `child({ docId })` makes one for a room or session. */
export function createLog(options: LogOptions): Logger {
  return pino(
    {
      level: options.level,
      base: options.base ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: "[redacted]" },
      serializers: { err: logged, error: logged },
    },
    options.destination ?? standardError(),
  );
}

const logged = (error: unknown) => describeError(error);

/** What waits where nothing can be written, on a full disk, before lines are dropped. */
const maxWaitingBytes = 64 * 1024;

/** A log that cannot be written ends nobody's work. */
function standardError(): DestinationStream {
  const stream = pino.destination({ dest: 2, sync: true, maxLength: maxWaitingBytes });
  stream.on("error", () => undefined);
  return stream;
}

/** An error as it may be logged. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: LoggedError;
}

/**
 * Name, message, code, stack and cause of an error, and nothing else: errors of the database also carry `detail`
 * and `where`, in which rows are quoted. No stacks of an error that says of itself that it `isExplained`.
 */
export function describeError(error: unknown, stacks = true): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: scrub(String(error)) };
  // Of every address of a name, as Node.js tells of connections: an AggregateError without a message of its own.
  const each =
    error instanceof AggregateError && error.message === ""
      ? error.errors.map((one) => describeError(one))
      : [];
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const withStack = stacks && !("isExplained" in error && error.isExplained === true);
  return {
    type: error.name,
    message: each.length > 0 ? each.map(({ message }) => message).join("; ") : scrub(error.message),
    ...(code === undefined ? {} : { code }),
    ...(error.stack === undefined || !withStack || isOutage(error, code)
      ? {}
      : { stack: scrub(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause, withStack) }),
  };
}

/** Codes of sockets, SQLSTATEs and texts of the driver: what happened is known, and a stack tells only who noticed. */
const outageCode = /^(?:08...|57P..|53300|E(?:CONN\w+|PIPE|TIMEDOUT|HOST\w+|NET\w+|NOTFOUND|AI_AGAIN))$/;
const outageText = /^(?:Connection terminated|timeout e|Query read timeout|Client was closed)/;

const isOutage = ({ name, message }: Error, code = ""): boolean =>
  name === "StoreUnavailable" || outageCode.test(code) || outageText.test(message);

/** An error in one line for people: its message, and its cause's where that says more. */
export function withCause(error: unknown): string {
  const { message, cause } = describeError(error);
  return cause === undefined || message.includes(cause.message) ? message : `${message} (${cause.message})`;
}

/** Removes credentials of connection strings, and tokens, from a text. */
function scrub(text: string): string {
  return text
    .replaceAll(/\b(postgres(?:ql)?:\/\/)[^\s"'@]*@/g, "$1[redacted]@")
    .replaceAll(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "[redacted]");
}
