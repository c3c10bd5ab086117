rem The agent as a Windows service. Run this as an administrator, once, where omsync.exe lies in C:\omsync and the node's home folder
rem is C:\omsync\home (omsync --home C:\omsync\home init --node NAME --dsn ...). The log is agent.log in the home folder.
rem
rem The home folder holds the node's keys: nobody but administrators and the service's account should read it.
icacls C:\omsync\home /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F
sc.exe create omsync binPath= "C:\omsync\omsync.exe --home C:\omsync\home agent" start= delayed-auto DisplayName= "omsync agent"
sc.exe failure omsync reset= 86400 actions= restart/30000/restart/30000/restart/300000
sc.exe start omsync

rem Sticks: Windows does not tell omsync what is put in. Name the drives in omsync.toml; those with a folder omsync are used:
rem
rem     [agent]
rem     sticks = ['E:\', 'F:\']
rem
rem To take it away: sc.exe stop omsync, then sc.exe delete omsync
