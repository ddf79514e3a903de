import { Fault } from './fault'

/** Gives a file of ours to whoever is at the browser: nothing of it is kept. */
export async function download(call: Promise<{ data?: unknown; response: Response; error?: unknown }>, name: string) {
  const { data, response, error } = await call
  if (!response.ok) throw await Fault.told({ code: 'unreadable_answer', title: response.statusText, ...(typeof error === 'object' ? error : {}), status: response.status })
  const url = URL.createObjectURL(data as Blob)
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
