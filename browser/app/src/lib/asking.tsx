// What the server may ask for in the middle of work: sign in again, show the
// second factor. The page stays as it is below, with what was typed.
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { type Asked, setAsk } from './api'

interface Open {
  what: Asked
  done: (good: boolean) => void
}
const Context = createContext<Open | null>(null)
export const useAsked = () => useContext(Context)

export function Asking({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState<Open | null>(null)
  const state = useMemo(() => ({ waiting: [] as ((good: boolean) => void)[], what: null as Asked | null }), [])
  useEffect(() => {
    setAsk(
      (what) =>
        new Promise((go) => {
          state.waiting.push(go)
          if (state.what) return // one dialog answers all that wait
          state.what = what
          setOpen({
            what,
            done: (good) => {
              const all = state.waiting.splice(0)
              state.what = null
              setOpen(null)
              for (const f of all) f(good)
            },
          })
        }),
    )
  }, [state])
  return <Context value={open}>{children}</Context>
}
