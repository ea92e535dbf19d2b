/** What of the SDK is for Node.js only. */
export { fileStorage } from "./storage/file.ts";
