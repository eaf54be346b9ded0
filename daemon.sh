#!/bin/bash
setsid sleep 60 &
exit 0
